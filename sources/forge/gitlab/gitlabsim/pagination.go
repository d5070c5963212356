package gitlabsim

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// page cuts the page that a call asks for out of a list, and says in the answer's
// headers where the others are.
func page[T any](c *call, all []T) ([]T, error) {
	number, size := 1, 20
	for name, value := range map[string]*int{"page": &number, "per_page": &size} {
		text, given := c.params[name]
		if !given {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, invalid(name + " is invalid")
		}
		if n < 1 {
			return nil, invalid(name + " does not have a valid value")
		}
		*value = n
	}
	size = min(size, 100)
	last := max(1, (len(all)+size-1)/size)
	links(c.r, c.header, number, size, last)
	c.header.Set("X-Total", strconv.Itoa(len(all)))
	from := min((number-1)*size, len(all))
	return append([]T{}, all[from:min(from+size, len(all))]...), nil
}

func links(r *http.Request, h http.Header, number, size, last int) {
	var link []string
	add := func(rel string, n int) {
		query := r.URL.Query()
		query.Set("page", strconv.Itoa(n))
		query.Set("per_page", strconv.Itoa(size))
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		link = append(link, fmt.Sprintf("<%s://%s%s?%s>; rel=%q", scheme, r.Host, r.URL.EscapedPath(), query.Encode(), rel))
	}
	prev, next := "", ""
	if number > 1 {
		prev = strconv.Itoa(number - 1)
		add("prev", number-1)
	}
	if number < last {
		next = strconv.Itoa(number + 1)
		add("next", number+1)
	}
	add("first", 1)
	add("last", last)
	h.Set("Link", strings.Join(link, ", "))
	h.Set("X-Page", strconv.Itoa(number))
	h.Set("X-Per-Page", strconv.Itoa(size))
	h.Set("X-Prev-Page", prev)
	h.Set("X-Next-Page", next)
	h.Set("X-Total-Pages", strconv.Itoa(last))
}
