package forge

// MostPushPages is how many pages of pushes are looked through.
const MostPushPages = 5

// Pushers are logins by the commit that somebody moved a branch to.
type Pushers map[string]string

// Note takes a push that a forge tells of, the newest first. Where a branch came
// to a commit twice, back to it by force, the newest push is the one that counts.
func (p Pushers) Note(commit, login string) {
	if _, known := p[commit]; !known && commit != "" {
		p[commit] = login
	}
}
