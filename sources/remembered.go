package sources

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// begin finds what was believed last: by this process, by one before it, or
// because the configuration says so. known reports that it was a process: who
// pushed what has been asked up to there.
func (v *Vetted) begin(ctx context.Context) (known bool, err error) {
	if v.good != nil {
		return true, nil
	}
	commit, ruled := v.recall()
	if commit == "" {
		return false, v.anchor(ctx)
	}
	if v.good, err = v.decree(ctx, commit); err == nil {
		return true, nil
	}
	if ruled {
		return false, fmt.Errorf("%.12s was believed last and cannot be read any more; set since: to a commit of the branch: %w", commit, err)
	}
	return false, v.anchor(ctx)
}

// anchor believes what the configuration says, if it does.
func (v *Vetted) anchor(ctx context.Context) (err error) {
	v.good = nil
	if v.vetting.Since == "" {
		return nil
	}
	if v.good, err = v.decree(ctx, v.vetting.Since); err != nil {
		return fmt.Errorf("since: %s: %w", v.vetting.Since, err)
	}
	return nil
}

// decree believes a commit without looking at its signature.
func (v *Vetted) decree(ctx context.Context, commit string) (*believed, error) {
	c, err := v.Commit(ctx, commit)
	if err != nil {
		return nil, err
	}
	return v.believe(ctx, nil, c)
}

// The file holds a line "believed COMMIT RULED SINCE"; SINCE is what the
// configuration said then, because whoever changes it wants to begin anew there.
const (
	remembers = "believed"
	nothing   = "-"
)

// recall reads the file; what cannot be understood is as good as lost.
func (v *Vetted) recall() (commit string, ruled bool) {
	text, err := os.ReadFile(v.vetting.File)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		v.vetting.Log.Warn("what was believed last is forgotten", "file", v.vetting.File, "error", err)
	}
	words := strings.Fields(string(text))
	torn := len(words) != 4 || words[0] != remembers
	if torn && err == nil {
		v.vetting.Log.Warn("what was believed last is forgotten: who pushed since is not asked", "file", v.vetting.File)
	}
	if torn || words[3] != cmp.Or(v.vetting.Since, nothing) {
		return "", false
	}
	return words[1], words[2] == "ruled"
}

// remember writes the file. Losing it costs a look at the whole way.
func (v *Vetted) remember() {
	ruled := "free"
	if v.good.ruled() {
		ruled = "ruled"
	}
	line := fmt.Sprintln(remembers, v.good.commit, ruled, cmp.Or(v.vetting.Since, nothing))
	if old, err := os.ReadFile(v.vetting.File); err == nil && string(old) == line {
		return
	}
	if err := replace(v.vetting.File, line); err != nil {
		v.vetting.Log.Warn("what is believed cannot be remembered", "file", v.vetting.File, "error", err)
	}
}

// replace leaves the old file or the new one, whole, also where the power is cut: one that
// is torn would let in whoever pushed meanwhile.
func replace(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = cmp.Or(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
