package winsim

import (
	"fmt"
)

// fault is a WS-Management fault: HTTP 500 and the code by which clients know it.
type fault struct {
	sender  bool   // else the receiver is to blame
	subcode string // "w:TimedOut"
	code    uint32
	text    string
}

func (f *fault) encode(machine, relatesTo string) []byte {
	who := "s:Receiver"
	if f.sender {
		who = "s:Sender"
	}
	body := fmt.Sprintf(`<s:Fault><s:Code><s:Value>%s</s:Value><s:Subcode><s:Value>%s</s:Value></s:Subcode></s:Code>`+
		`<s:Reason><s:Text xml:lang="en-US">%s</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f="%s" Code="%d" Machine="%s">`+
		`<f:Message>%s</f:Message></f:WSManFault></s:Detail></s:Fault>`,
		who, f.subcode, escape(f.text), nsFault, f.code, escape(machine), escape(f.text))
	return encodeReply("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", relatesTo, body)
}

// The codes are those of wsmerror.h; small ones are Win32 errors.

func faultInvalidXML(err error) *fault {
	return &fault{true, "w:SchemaValidationError", 0x80338043,
		fmt.Sprintf("The SOAP XML in the message does not match the corresponding XML schema definition: %v", err)}
}

func faultMustUnderstand(header string) *fault {
	return &fault{true, "s:MustUnderstand", 0x80338010, "The WS-Management service cannot process the SOAP header " + header + "."}
}

func faultMissingHeader() *fault {
	return &fault{true, "a:MessageInformationHeaderRequired", 0x80338011, "The WS-Management request misses a required header."}
}

func faultAction(action string) *fault {
	return &fault{true, "a:ActionNotSupported", 0x80338013, "The WS-Management service does not support the action " + action + "."}
}

func faultResourceURI(uri string) *fault {
	return &fault{true, "w:InvalidResourceURI", 0x8033803B, "The resource URI is missing or has an incorrect format: " + uri}
}

func faultSelectors() *fault {
	return &fault{true, "w:InvalidSelectors", 0x8033803D, "The selectors for the resource are not valid."}
}

func faultBody(what string) *fault {
	return &fault{true, "w:SchemaValidationError", 0x80338041, "The body of the message is not right: " + what + "."}
}

func faultParameter(what string) *fault {
	return &fault{true, "w:InvalidParameter", 0x8033803A, "A parameter for the operation is not valid: " + what + "."}
}

func faultMinEnvelope() *fault {
	return &fault{true, "w:EncodingLimit", 0x8033807E, "The maximum envelope size in the request is too small."}
}

func faultTimeoutHeader() *fault {
	return &fault{true, "w:InvalidTimeout", 0x80338081, "The OperationTimeout of the request is not valid."}
}

func faultEnvelopeLimit(limit int) *fault {
	return &fault{true, "w:EncodingLimit", 0x80338049, fmt.Sprintf("The message is larger than MaxEnvelopeSize, %d bytes.", limit)}
}

func faultNoShell(id string) *fault {
	return &fault{true, "w:InvalidSelectors", 0x8033805B, "The request for the Windows Remote Shell with ShellId " + id +
		" failed because the shell was not found on the server."}
}

func faultAccessDenied() *fault {
	return &fault{true, "w:AccessDenied", 5, "Access is denied."}
}

func faultMaxShells(limit int) *fault {
	return &fault{false, "w:QuotaLimit", 0x803381A5, fmt.Sprintf("This user is allowed a maximum number of %d concurrent shells, which has been exceeded.", limit)}
}

func faultMaxOperations(limit int) *fault {
	return &fault{false, "w:QuotaLimit", 0x803381A6, fmt.Sprintf("This user is allowed a maximum number of %d concurrent operations, which has been exceeded.", limit)}
}

func faultMaxProcesses(limit int) *fault {
	return &fault{false, "w:QuotaLimit", 0x8033803F, fmt.Sprintf("This shell is allowed a maximum number of %d processes, which has been exceeded.", limit)}
}

// faultTimedOut is how an idle Receive ends; clients ask again.
func faultTimedOut() *fault {
	return &fault{false, "w:TimedOut", 0x80338029, "The WS-Management service cannot complete the operation within the time specified in OperationTimeout."}
}

func faultFileNotFound() *fault {
	return &fault{false, "w:InternalError", 2, "The system cannot find the file specified."}
}

func faultPipeClosed() *fault {
	return &fault{false, "w:InternalError", 232, "The pipe is being closed."}
}

func faultAborted() *fault {
	return &fault{false, "w:InternalError", 995, "The I/O operation has been aborted because of either a thread exit or an application request."}
}

func faultInternal() *fault {
	return &fault{false, "w:InternalError", 0x8033800C, "The WS-Management service could not process the request because of an internal error."}
}
