package server

// SeveralStatements is MySQL's way to write, for MariaDB.
var SeveralStatements = mysqlDialect("MariaDB by several statements", mariadbLife, "", "")

// Life is the expression of a dialect's that tells the runs of a server apart.
const Life = mariadbLife

// Unknown tells whether a server's error of a code leaves it open what became of a write.
func Unknown(d *Dialect, code string) bool { return d.fault(code) == faultUnknown }
