package gitlabsim

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// command prepares a git process that no configuration of the machine or its
// user can change and that ends with the server.
func (s *Server) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.ctx, s.gitBin, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + s.dir,
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0",
	}
	return cmd
}

// git runs git in a repository and gives what it wrote, without the last newline.
func (s *Server) git(dir string, env []string, args ...string) (string, error) {
	cmd := s.command(args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, env...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return strings.TrimRight(out.String(), "\n"), fmt.Errorf("cannot run git %s: %v: %s", args[0], err, strings.TrimSpace(complaint.String()))
	}
	return strings.TrimRight(out.String(), "\n"), nil
}

// resolve gives the full hash of a commit, branch or tag, or "". A full hash
// that was found once is not looked up again.
func (s *Server) resolve(p *project, revision string) string {
	if revision == "" || strings.HasPrefix(revision, "-") {
		return ""
	}
	if _, known := s.commitsSeen.Load(p.dir + " " + revision); known {
		return revision
	}
	sha := s.parse(p, revision)
	if sha != "" && sha == revision {
		s.commitsSeen.Store(p.dir+" "+revision, true)
	}
	return sha
}

func (s *Server) parse(p *project, revision string) string {
	sha, err := s.git(p.dir, nil, "rev-parse", "--verify", "-q", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return ""
	}
	// rev-parse of 2.39 prints --end-of-options along with the hash.
	return sha[strings.LastIndexByte(sha, '\n')+1:]
}

// refs are the references below a prefix and what they point to.
func (s *Server) refs(p *project, prefix string) map[string]string {
	out, err := s.git(p.dir, nil, "for-each-ref", "--format=%(refname) %(objectname)", prefix)
	refs := map[string]string{}
	if err != nil {
		return refs
	}
	for line := range strings.Lines(out) {
		if name, sha, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			refs[name] = sha
		}
	}
	return refs
}

// branchWith is the first branch, in the order of names, that contains a commit.
func (s *Server) branchWith(p *project, sha string) string {
	out, _ := s.git(p.dir, nil, "for-each-ref", "--contains", sha, "--format=%(refname:short)", "refs/heads/")
	first, _, _ := strings.Cut(out, "\n")
	return first
}

// commitInfo is what the API and the pages show of a commit.
type commitInfo struct {
	SHA, Subject, Message, Author, Email, Date string
	Parents                                    []string
}

const logFormat = "--format=%H%x00%P%x00%an%x00%ae%x00%aI%x00%s%x00%B%x01"

// log lists up to n commits of a range, the newest first.
func (s *Server) commits(p *project, n int, revisions ...string) []commitInfo {
	args := append([]string{"log", fmt.Sprintf("-n%d", n), logFormat}, revisions...)
	out, err := s.git(p.dir, nil, append(args, "--")...)
	if err != nil {
		return nil
	}
	var list []commitInfo
	for record := range strings.SplitSeq(out, "\x01") {
		f := strings.SplitN(strings.TrimLeft(record, "\n"), "\x00", 7)
		if len(f) != 7 {
			continue
		}
		list = append(list, commitInfo{
			SHA: f[0], Parents: strings.Fields(f[1]), Author: f[2], Email: f[3], Date: f[4], Subject: f[5], Message: f[6],
		})
	}
	return list
}

// readPackets reads pkt-lines up to the flush, and gives their payloads and the
// bytes that were read.
func readPackets(r io.Reader) (lines []string, raw []byte, err error) {
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			return nil, nil, err
		}
		raw = append(raw, head...)
		var size int
		if _, err := fmt.Sscanf(string(head), "%04x", &size); err != nil {
			return nil, nil, fmt.Errorf("cannot read packet length %q", head)
		}
		if size == 0 {
			return lines, raw, nil
		}
		if size < 4 || len(raw)+size > 1<<20 {
			return nil, nil, fmt.Errorf("cannot read packet of length %d", size)
		}
		body := make([]byte, size-4)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, nil, err
		}
		raw = append(raw, body...)
		lines = append(lines, strings.TrimSuffix(string(body), "\n"))
	}
}
