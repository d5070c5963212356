package winsim

import "fmt"

// cmdletError is how a cmdlet fails: the start of its FullyQualifiedErrorId,
// the category of its ErrorRecord, and a text that real servers translate.
type cmdletError struct {
	Code     string // "WIN32 9711"
	Category string // "ResourceExists"
	Message  string
}

func (e *cmdletError) Error() string { return e.Code + ": " + e.Message }

// id is the FullyQualifiedErrorId as a cmdlet gives it.
func (e *cmdletError) id(cmdlet string) string {
	if cmdlet == "" {
		return e.Code // the script says so itself
	}
	return e.Code + "," + cmdlet
}

// errTaken is not Windows's: the script looks before it moves a reservation.
var errTaken = &cmdletError{"provost taken", "ResourceBusy", "The address is reserved for another client."}

// What the model can answer, as the contract lists it and Microsoft documents
// it; (?) marks what is not proven without Windows.
var (
	errAccessDenied  = &cmdletError{"WIN32 5", "PermissionDenied", "Access is denied."}
	errNoZone        = &cmdletError{"WIN32 9601", "ObjectNotFound", "The zone was not found."}
	errNoRecord      = &cmdletError{"WIN32 9701", "ObjectNotFound", "The record was not found."}
	errNameNotInZone = &cmdletError{"WIN32 9706", "InvalidArgument", "The name is not in the zone."}
	errBesideCNAME   = &cmdletError{"WIN32 9709", "ResourceExists", "A CNAME and other records cannot share a name."}
	errRecordExists  = &cmdletError{"WIN32 9711", "ResourceExists", "The record already exists."}
	errNoName        = &cmdletError{"WIN32 9714", "ObjectNotFound", "The name does not exist."}
	errDirectory     = &cmdletError{"WIN32 9717", "ResourceUnavailable", "The directory service is not available."}

	errNoScope      = &cmdletError{"DHCP 20005", "ObjectNotFound", "The scope does not exist."}
	errDatabase     = &cmdletError{"DHCP 20013", "ResourceUnavailable", "The DHCP database could not be read."}
	errNotReserved  = &cmdletError{"DHCP 20018", "ObjectNotFound", "The address is not reserved."}
	errReserved     = &cmdletError{"DHCP 20022", "ResourceExists", "The address or the client is already reserved."}
	errOutOfScope   = &cmdletError{"DHCP 20023", "InvalidArgument", "The address is not in the scope."}   // (?)
	errFilterExists = &cmdletError{"DHCP 20093", "ResourceExists", "The address is already in a filter."} // (?)
	errFilterAbsent = &cmdletError{"DHCP 20095", "ObjectNotFound", "The address is in no filter."}        // (?)
	errBadParameter = &cmdletError{"WIN32 87", "InvalidArgument", "The parameter is incorrect."}          // (?)
)

// errorFor is the cmdletError of an error ID that a test asks for.
func errorFor(code string) *cmdletError {
	known := []*cmdletError{
		errAccessDenied, errNoZone, errNoRecord, errNameNotInZone, errBesideCNAME, errDirectory,
		errRecordExists, errNoName, errNoScope, errDatabase, errNotReserved, errReserved, errOutOfScope,
		errFilterExists, errFilterAbsent, errBadParameter,
	}
	for _, e := range known {
		if e.Code == code {
			return e
		}
	}
	return &cmdletError{code, "NotSpecified", fmt.Sprintf("The operation failed with %s.", code)}
}
