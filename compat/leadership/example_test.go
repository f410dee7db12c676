package leadership_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/muster-go/muster/compat/leadership"
	"github.com/muster-go/muster/store"
)

func ExampleNewFlag() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = db.Close() }() // after the flag
	hostname, _ := os.Hostname()
	flag, err := leadership.NewFlag().
		Name("billing").
		Process(hostname).
		Handle(db).
		Logger(slog.Default()).
		MetricsSubsystem("billing").
		Build(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = flag.Close() }()
	for range time.Tick(time.Minute) {
		if flag.Raised() {
			fmt.Println("this process sends the bills")
		}
	}
}

func ExampleFlagBuilder_Build() {
	_, err := leadership.NewFlag().Name("billing").Logger(slog.Default()).Handle(new(sql.DB)).Process("box-1").
		Interval(5 * time.Second).Timeout(5 * time.Second).
		Build(context.Background())
	fmt.Println(errors.Is(err, store.ErrInvalid))
	fmt.Println(err)
	// Output:
	// true
	// leadership flag "billing": timeout 5s: must be less than the interval, 5s: make it shorter or the interval longer: invalid
}
