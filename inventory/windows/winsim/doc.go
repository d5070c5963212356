// Package winsim is the double of Windows servers with DNS and DHCP behind
// WinRM. Tests, the demo and the benchmark talk to it over a real socket: TLS
// with a certificate authority of its own, NTLMv2, WS-Management, shells and
// commands, standard input and output.
//
// A [Domain] holds the zones that all its DNS servers share, as
// Active Directory does. A [Server] is one machine: it has its own scopes,
// reservations, leases and filters, and a listener. Two servers whose scopes
// name each other as partner are a fail-over pair: leases are on both,
// reservations and filters only where somebody wrote them.
//
// The double runs no PowerShell. It knows the scripts it is given by the
// SHA-256 of their text, and carries out their JSON contract
// (../CONTRACT.md) against its model with the error IDs of the real cmdlets.
// A script it does not know ends as PowerShell would end: exit code 1, CLIXML
// on standard error, and a line in [Server.Rejected].
//
// To add a verb: a method that reads its document, changes the model and fills
// the answer (list.go and apply.go are the two there are), and a line in verbs.go.
// To add a way to misbehave: a [FaultKind] and the place in exec.go where it
// strikes.
//
// # What it does not prove
//
// It proves transport and protocol: logging in, framing, quotas, timeouts,
// faults, and that our client and our documents survive them. It never proves
// what a cmdlet does: whether a script is valid PowerShell, whether a parameter
// exists, whether an error ID is the one that a given Windows version gives,
// how long a cmdlet takes. What is marked (?) in this package is not proven
// without Windows. It does not prove Kerberos, SPNEGO-wrapped tokens, CredSSP,
// PSRP or certificate login, for it speaks none of them; nor what rights a user
// needs to open a shell, for every user of the list may open one. With
// WINRS_CONSOLEMODE_STDIN it only notes the choice: how console input differs
// from a pipe is not modelled.
package winsim
