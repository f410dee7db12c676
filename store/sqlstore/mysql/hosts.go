package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	client "github.com/go-sql-driver/mysql"
)

// errReadOnly is why a host of several is passed over.
var errReadOnly = errors.New("the server is read-only")

// hosts is a driver.Connector to the first host that writes.
type hosts struct {
	places     []string
	connectors []driver.Connector
}

func newHosts(configs []*client.Config) (*hosts, error) {
	h := &hosts{}
	for _, cfg := range configs {
		connector, err := client.NewConnector(cfg)
		if err != nil {
			return nil, err
		}
		h.places, h.connectors = append(h.places, cfg.Addr), append(h.connectors, connector)
	}
	return h, nil
}

// Connect implements driver.Connector. The error names each host with its reason.
func (h *hosts) Connect(ctx context.Context) (driver.Conn, error) {
	if len(h.connectors) == 1 {
		return h.connectors[0].Connect(ctx)
	}
	var faults []error
	for i, connector := range h.connectors {
		c, err := connector.Connect(ctx)
		if err == nil {
			if err = writes(ctx, c); err == nil {
				return c, nil
			}
			_ = c.Close()
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		faults = append(faults, fmt.Errorf("%s: %w", h.places[i], err))
	}
	return nil, several(faults)
}

// Driver implements driver.Connector.
func (h *hosts) Driver() driver.Driver { return h.connectors[0].Driver() }

// writes makes sure that a server does. Newer servers give the setting a name in place of a number.
func writes(ctx context.Context, c driver.Conn) error {
	rows, err := c.(driver.QueryerContext).QueryContext(ctx, "SELECT CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')", nil)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	yes := make([]driver.Value, 1)
	if err := rows.Next(yes); err != nil {
		return err
	}
	switch v := yes[0].(type) {
	case int64:
		if v == 1 {
			return nil
		}
	case []byte:
		if string(v) == "1" {
			return nil
		}
	}
	return errReadOnly
}

// several are errors on one line.
type several []error

// Error implements error.
func (s several) Error() string {
	text := ""
	for i, err := range s {
		if i > 0 {
			text += "; "
		}
		text += err.Error()
	}
	return text
}

// Unwrap lets errors.Is look at each.
func (s several) Unwrap() []error { return s }
