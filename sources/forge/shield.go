package forge

import "fmt"

// Shield makes an error of a panic over an answer of a shape that no forge gives,
// such as null in a list: client libraries follow such a pointer, and a proxy's or a
// broken forge's answer must not end the daemon. Defer it with what is being done
// and the error that the function returns.
func Shield(doing string, err *error) {
	if recover() != nil {
		*err = fmt.Errorf("cannot %s: the answer has a shape that no forge gives", doing)
	}
}
