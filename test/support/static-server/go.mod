module static-server

go 1.23
