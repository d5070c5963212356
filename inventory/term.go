package inventory

// Term is the time during which one daemon works on a campus, as it stands on a
// live system that all daemons of the campus share. Terms follow one another; the
// one with the highest number is the one that counts.
type Term struct {
	Number int    // 1 and up; 0 where there was never a term
	Holder string // who works, for people: "srv1, process 4711"; "" when the term was ended
	Seat   string // what the holder sits on: two processes of one seat know of each other without asking
	Beat   string // differs each time the holder says that it still works
}

// Over reports whether nobody claims the term any more.
func (t Term) Over() bool { return t.Holder == "" }
