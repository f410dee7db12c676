package history_test

import (
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
)

// The models must find what is wrong, or what they don't find says nothing.

func TestTheLockModelTellsAGoodHistoryFromABadOne(t *testing.T) {
	acquire := func(worker int, token uint64, call, ret int64) operation {
		return operation{worker: worker, what: opAcquire, token: token, outcome: yes, call: call, ret: ret}
	}
	check := func(worker int, token uint64, call, ret int64) operation {
		return operation{worker: worker, what: opCheck, token: token, outcome: yes, call: call, ret: ret}
	}
	ticket := func(worker int, token uint64, call, ret, until int64) operation {
		op := check(worker, token, call, ret)
		op.until = until
		return op
	}
	release := func(worker int, call, ret int64) operation {
		return operation{worker: worker, what: opRelease, outcome: yes, call: call, ret: ret}
	}
	for _, tt := range []struct {
		name string
		ops  []operation
		want porcupine.CheckResult
	}{
		{"one after the other", []operation{acquire(1, 5, 0, 10), check(1, 5, 11, 12), acquire(2, 7, 13, 20), check(2, 7, 21, 22)}, porcupine.Ok},
		{"a yes after another's claim", []operation{acquire(1, 5, 0, 10), acquire(2, 7, 13, 20), check(1, 5, 21, 22)}, porcupine.Illegal},
		{"two holders at once, each with its yes", []operation{acquire(1, 5, 0, 10), acquire(2, 7, 0, 10), check(2, 7, 11, 12), check(1, 5, 13, 14)}, porcupine.Illegal},
		{"a yes of one frozen as it asked", []operation{acquire(1, 5, 0, 10), check(1, 5, 11, 90), acquire(2, 7, 13, 20), check(2, 7, 21, 22)}, porcupine.Ok},
		{"a yes with the token of another's claim", []operation{acquire(1, 5, 0, 10), check(2, 5, 11, 12)}, porcupine.Illegal},
		{"a yes without a claim", []operation{check(1, 5, 1, 2)}, porcupine.Illegal},
		{"a claim that its holder finds still held", []operation{acquire(1, 5, 0, 10), acquire(1, 5, 20, 30), check(1, 5, 31, 32)}, porcupine.Ok},
		{"a claim that its holder finds still held after another's", []operation{acquire(1, 5, 0, 10), acquire(2, 7, 11, 12), acquire(1, 5, 20, 30)}, porcupine.Illegal},
		{"a token used again after its release", []operation{acquire(1, 5, 0, 10), release(1, 11, 12), acquire(1, 5, 13, 30)}, porcupine.Illegal},
		{"another's token", []operation{acquire(1, 5, 0, 10), acquire(2, 5, 20, 30)}, porcupine.Illegal},
		{"a token below an earlier one", []operation{acquire(1, 5, 0, 10), acquire(2, 4, 20, 30)}, porcupine.Illegal},
		{"a yes after the release", []operation{acquire(1, 5, 0, 10), release(1, 11, 20), check(1, 5, 21, 22)}, porcupine.Illegal},
		{"a yes during the release", []operation{acquire(1, 5, 0, 10), release(1, 11, 20), check(1, 5, 12, 13), acquire(2, 7, 0, 19)}, porcupine.Ok},
		{"a claim after the own release", []operation{acquire(1, 5, 0, 10), release(1, 11, 20), acquire(1, 7, 12, 30), check(1, 7, 31, 32), check(1, 7, 33, 34)}, porcupine.Ok},
		{"a late release of another's time", []operation{acquire(1, 5, 0, 10), acquire(2, 7, 11, 20), release(1, 21, 22), check(2, 7, 23, 24)}, porcupine.Ok},
		{"a release that was never noted", []operation{acquire(1, 5, 0, 10), release(1, 11, 0), check(1, 5, 12, 13), acquire(2, 7, 14, 20)}, porcupine.Ok},
		{"a claim within what a ticket guaranteed", []operation{acquire(1, 5, 0, 10), ticket(1, 5, 11, 12, 40), acquire(2, 7, 13, 39)}, porcupine.Illegal},
		{"a claim as the guarantee ends", []operation{acquire(1, 5, 0, 10), ticket(1, 5, 11, 12, 40), acquire(2, 7, 13, 41)}, porcupine.Ok},
		{"a claim within a guarantee that its holder gave up", []operation{acquire(1, 5, 0, 10), ticket(1, 5, 11, 12, 40), release(1, 13, 20), acquire(2, 7, 13, 25)}, porcupine.Ok},
		{"a claim that nobody learned of", []operation{acquire(1, 5, 0, 10), {worker: 2, what: opAcquire, call: 11}, check(1, 5, 12, 13)}, porcupine.Ok},
		{"a no at any time", []operation{acquire(1, 5, 0, 10), {worker: 1, what: opCheck, token: 5, outcome: no, call: 11, ret: 12}, check(1, 5, 13, 14)}, porcupine.Ok},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, porcupine.CheckOperationsTimeout(lockModel(), lockHistory(tt.ops), checkTime))
		})
	}
}

func TestTheRegisterModelTellsAGoodHistoryFromABadOne(t *testing.T) {
	write := func(worker int, token uint64, value, outcome string, call, ret int64) operation {
		return operation{worker: worker, what: opWrite, token: token, value: value, outcome: outcome, call: call, ret: ret}
	}
	refusal := func(worker int, token, seen uint64, call, ret int64) operation {
		op := write(worker, token, "late", refused, call, ret)
		op.seen = seen
		return op
	}
	read := func(token uint64, value string, call, ret int64) operation {
		return operation{worker: 9, what: opRead, seen: token, value: value, outcome: accepted, call: call, ret: ret}
	}
	for _, tt := range []struct {
		name string
		ops  []operation
		want porcupine.CheckResult
	}{
		{"nothing but reads", []operation{read(0, "", 0, 1), read(0, "", 2, 3)}, porcupine.Ok},
		{"writes with one token and the next", []operation{write(1, 5, "a", accepted, 0, 1), write(1, 5, "b", accepted, 2, 3), read(5, "b", 4, 5), write(2, 7, "c", accepted, 6, 7), read(7, "c", 8, 9)}, porcupine.Ok},
		{"a write accepted after a greater token", []operation{write(2, 7, "a", accepted, 0, 1), write(1, 5, "b", accepted, 2, 3)}, porcupine.Illegal},
		{"a write refused after a greater token", []operation{write(2, 7, "a", accepted, 0, 1), refusal(1, 5, 7, 2, 3), read(7, "a", 4, 5)}, porcupine.Ok},
		{"a write refused for nothing", []operation{write(1, 5, "a", accepted, 0, 1), refusal(1, 5, 7, 2, 3)}, porcupine.Illegal},
		{"a refusal by a fence that never stood", []operation{write(2, 7, "a", accepted, 0, 1), refusal(1, 5, 8, 2, 3)}, porcupine.Illegal},
		{"a refused write that is read", []operation{write(2, 7, "a", accepted, 0, 1), refusal(1, 5, 7, 2, 3), read(5, "late", 4, 5)}, porcupine.Illegal},
		{"a stale read", []operation{write(1, 5, "a", accepted, 0, 1), write(1, 5, "b", accepted, 2, 3), read(5, "a", 4, 5)}, porcupine.Illegal},
		{"a value with another's fence", []operation{write(1, 5, "a", accepted, 0, 1), write(2, 7, "b", accepted, 2, 3), read(7, "a", 4, 5)}, porcupine.Illegal},
		{"an unknown write that was done late", []operation{write(1, 5, "a", unknown, 0, 1), read(0, "", 2, 3), read(5, "a", 4, 5)}, porcupine.Ok},
		{"an unknown write that never was", []operation{write(1, 5, "a", unknown, 0, 1), write(2, 7, "b", accepted, 2, 3), read(7, "b", 4, 5)}, porcupine.Ok},
		{"an unknown write that raised the fence", []operation{write(1, 5, "a", accepted, 0, 1), write(2, 7, "b", unknown, 2, 0), refusal(1, 5, 7, 4, 5)}, porcupine.Ok},
		{"an unknown write that overtakes a greater token", []operation{write(1, 5, "a", unknown, 0, 1), write(2, 7, "b", accepted, 2, 3), read(5, "a", 4, 5)}, porcupine.Illegal},
		{"a write that surely failed and is read", []operation{write(1, 5, "a", failed, 0, 1), read(5, "a", 2, 3)}, porcupine.Illegal},
		{"a write whose return wasn't noted", []operation{write(1, 5, "a", unknown, 0, 0), read(5, "a", 2, 3)}, porcupine.Ok},
	} {
		t.Run(tt.name, func(t *testing.T) {
			assert.Equal(t, tt.want, porcupine.CheckOperationsTimeout(registerModel(), registerHistory(tt.ops), checkTime))
		})
	}
}
