package server

// SeveralStatements is MySQL's way to write, for MariaDB.
var SeveralStatements = mysqlDialect("MariaDB by several statements", mariadbLife, "", "")

// Life is the expression of a dialect's that tells the runs of a server apart.
const Life = mariadbLife
