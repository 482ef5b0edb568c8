// A static HTTP server as small as they come: it answers each request with one line.
package main

import (
	"net/http"
	"os"
)

func main() {
	answer := []byte("hello\n")
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) { response.Write(answer) })
	if err := http.ListenAndServe("0.0.0.0:"+os.Getenv("PORT"), nil); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
