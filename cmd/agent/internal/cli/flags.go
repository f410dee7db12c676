package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/muster-go/muster/cmd/agent/internal/exit"
	"github.com/muster-go/muster/cmd/agent/internal/say"
)

// common are the flags that every command takes.
type common struct {
	store     word
	output    string
	timeout   duration
	logFormat string
	logLevel  string
}

func (p *program) registerCommon(root *cobra.Command) {
	c := &p.common
	c.timeout = duration{flag: "--timeout", text: "10s"}
	flags := root.PersistentFlags()
	flags.Var(&c.store, "store", "`URL` of the store; agent --help lists the kinds (default $MUSTER_STORE, else a SQLite file in your state directory)")
	flags.StringVarP(&c.output, "output", "o", "text", "`FORMAT` of what is printed: text or json")
	flags.Var(&c.timeout, "timeout", "how long the first contact with the store, or one request, may take")
	flags.StringVar(&c.logFormat, "log-format", "text", "`FORMAT` of the log on stderr: text or json")
	flags.StringVar(&c.logLevel, "log-level", "warn", "`LEVEL` of the log: debug, info, warn or error")
	for name, values := range map[string][]string{"output": formats, "log-format": formats, "log-level": levels} {
		if err := root.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flag is registered just above
		}
	}
	if err := root.RegisterFlagCompletionFunc("store", p.completeStore); err != nil {
		panic(err) // as above
	}
}

var (
	formats = []string{"text", "json"}
	levels  = []string{"debug", "info", "warn", "error"}
)

// settings are the checked values of the common flags.
type settings struct {
	json    bool
	timeout time.Duration
	store   storeURL
	log     *slog.Logger
}

// check gives the values of the common flags, or an error that says which one can't be used.
func (p *program) check() (settings, error) {
	c := &p.common
	if err := oneOf("--output", c.output, formats); err != nil {
		return settings{}, err
	}
	if err := oneOf("--log-format", c.logFormat, formats); err != nil {
		return settings{}, err
	}
	if err := oneOf("--log-level", c.logLevel, levels); err != nil {
		return settings{}, err
	}
	timeout, err := c.timeout.positive()
	if err != nil {
		return settings{}, err
	}
	url, err := p.storeURL()
	if err != nil {
		return settings{}, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.logLevel)); err != nil {
		return settings{}, err // unreachable: checked above
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(p.stderr, options)
	if c.logFormat == "json" {
		handler = slog.NewJSONHandler(p.stderr, options)
	}
	if level >= slog.LevelWarn {
		handler = newQuiet(handler)
	}
	log := slog.New(handler)
	slog.SetDefault(log) // a driver that was given no logger is to keep to the flags too
	return settings{json: c.output == "json", timeout: timeout, store: url, log: log}, nil
}

func oneOf(flag, value string, values []string) error {
	if slices.Contains(values, value) {
		return nil
	}
	return exit.Errorf(exit.Value, "%s %q: want %s", flag, value, strings.Join(values, " or "))
}

// duration is a flag whose value is looked at only after all words were, so that a wrong word is
// reported before a wrong value.
type duration struct {
	flag, text string
	given      bool
}

// String implements pflag.Value.
func (d *duration) String() string { return d.text }

// Set implements pflag.Value.
func (d *duration) Set(text string) error {
	d.text, d.given = text, true
	return nil
}

// Type implements pflag.Value.
func (d *duration) Type() string { return "D" }

// word is a flag whose default isn't a word. Given as an empty one, most often by a script's variable
// that isn't set, it does not mean the default: who names a store doesn't want to lead in another.
type word struct {
	text  string
	given bool
}

// String implements pflag.Value.
func (w *word) String() string { return w.text }

// Set implements pflag.Value.
func (w *word) Set(text string) error {
	w.text, w.given = text, true
	return nil
}

// Type implements pflag.Value.
func (w *word) Type() string { return "string" }

// check refuses an empty word.
func (w *word) check(flag string) error {
	if w.given && w.text == "" {
		return exit.Errorf(exit.Value, `%s "": is empty: give it a value (is a variable unset?), or leave the flag out`, flag)
	}
	return nil
}

// positive gives the value, which must be above zero.
func (d *duration) positive() (time.Duration, error) {
	value, err := time.ParseDuration(d.text)
	switch {
	case err != nil:
		return 0, exit.Errorf(exit.Value, "%s %q: not a length of time: write one like 500ms, 15s or 1m30s", d.flag, d.text)
	case value <= 0:
		return 0, exit.Errorf(exit.Value, "%s %s: must be more than 0: write one like 500ms, 15s or 1m30s", d.flag, d.text)
	}
	return value, nil
}

// flagError gives what pflag has to say the agent's exit codes and its manners.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	where := strings.TrimSpace(words(cmd) + ":")
	if where == ":" {
		where = ""
	} else {
		where += " "
	}
	help := fmt.Sprintf("see %q", cmd.CommandPath()+" --help")
	if dashesForgotten(cmd) {
		help = fmt.Sprintf(`put "--" between the election and the command, so that its flags are its own: agent run %s -- %s …`, cmd.Flags().Arg(0), cmd.Flags().Arg(1))
	}
	var unknown *pflag.NotExistError
	var value *pflag.InvalidValueError
	switch {
	case errors.As(err, &value):
		return exit.Errorf(exit.Value, "%s--%s %q: want true or false: %s", where, value.GetFlag().Name, value.GetValue(), help) // the only type that refuses
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		if near := nearFlags(cmd, unknown.GetSpecifiedName()); len(near) > 0 {
			return exit.Errorf(exit.Usage, "%sunknown flag --%s: did you mean %s? (%s)", where, unknown.GetSpecifiedName(), strings.Join(near, " or "), help)
		}
		return exit.Errorf(exit.Usage, "%sunknown flag --%s: %s", where, unknown.GetSpecifiedName(), help)
	}
	return exit.Errorf(exit.Usage, "%s%w: %s", where, err, help)
}

// dashesForgotten says whether what was taken for flags of agent run follows a command that "--"
// should have set apart: agent run hello sh -c true.
func dashesForgotten(cmd *cobra.Command) bool {
	return cmd.Name() == "run" && cmd.Flags().ArgsLenAtDash() < 0 && cmd.Flags().NArg() > 1
}

// nearFlags finds the flags that a mistyped one may mean; cobra's own idea of nearness knows
// commands only, so the flags are shown to it as such.
func nearFlags(cmd *cobra.Command, name string) []string {
	all := &cobra.Command{SuggestionsMinimumDistance: 2}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			all.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	near := all.SuggestionsFor(name)
	for i := range near {
		near[i] = "--" + near[i]
	}
	return near
}

// printer makes the printer for what a command prints on stdout.
func (p *program) printer(s settings) *say.Printer {
	return &say.Printer{W: p.stdout, JSON: s.json}
}
