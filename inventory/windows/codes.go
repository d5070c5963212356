package windows

import (
	"cmp"
	"slices"
	"strings"
)

// code is what an error of Windows means. Its own message is in the server's
// language, so those that are known are said in ours.
type code struct {
	text string
	// passing: another try may do better. What exists or is gone although it did not
	// stand so a moment ago is looked at again; it is never taken for success.
	passing bool
}

// codes are those that a careful administrator may meet, by the part of the
// FullyQualifiedErrorId before the cmdlet.
var codes = map[string]code{
	"WIN32 5":    {text: "access is denied: see the rights that the account needs"},
	"WIN32 1722": {"the service cannot be reached on the server", true},
	"WIN32 1753": {"the service is not running on the server", true},

	"WIN32 9563": {text: "the name lies below a delegation"},
	"WIN32 9601": {text: "the server has no such zone"},
	"WIN32 9701": {"the record is gone", true},
	"WIN32 9706": {text: "the name is not in the zone"},
	"WIN32 9708": {text: "a CNAME stands at the name, and nothing can stand beside it"},
	"WIN32 9709": {text: "a CNAME and other records cannot share a name"},
	"WIN32 9711": {"the record exists already", true},
	"WIN32 9714": {"the name has no records any more", true},
	"WIN32 9715": {text: "the PTR record could not be made"},
	"WIN32 9717": {"the directory service is not available", true},

	"DHCP 20005": {text: "the server has no such scope"},
	"DHCP 20013": {"the DHCP database fails", true},
	"DHCP 20014": {"the client exists already", true},
	"DHCP 20018": {"the address is not reserved any more", true},
	"DHCP 20022": {"the address or the MAC is reserved already", true},
	"DHCP 20093": {"the MAC is in a filter list already", true},
	"DHCP 20095": {"the MAC is in no filter list any more", true},
}

// passingCategories are of errors whose codes nobody has met.
var passingCategories = []string{"ResourceUnavailable", "ResourceBusy", "OperationTimeout", "ConnectionError"}

// remoteError is what a cmdlet or the script says went wrong. The message is
// in the server's language; the id is not.
type remoteError struct {
	ID       string `json:"errorId"`
	Category string `json:"category"`
	Message  string `json:"message"`
}

func (e *remoteError) code() code {
	id, _, _ := strings.Cut(e.ID, ",")
	return codes[id]
}

func (e *remoteError) Error() string {
	text := cmp.Or(e.code().text, strings.TrimSpace(e.Message))
	if e.ID != "" {
		text += " (" + e.ID + ")"
	}
	return text
}

func (e *remoteError) passing() bool {
	return e.code().passing || slices.Contains(passingCategories, e.Category)
}
