package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/utils/ioutil"
)

// sshSession is a conversation with git-upload-pack or git-receive-pack over a
// pair of pipes. The contexts that its methods take are not looked at: the
// connection below closes with the one it was made with.
type sshSession struct {
	stdin     io.WriteCloser
	stdout    io.Reader
	stderr    opening
	receiving bool
	spoken    bool // whether a request was sent after the advertisement
	adv       *packp.AdvRefs
	ended     func() // waits until the server has said all, or the connection closes
	release   func() error
}

func (s *sshSession) AdvertisedReferences() (*packp.AdvRefs, error) {
	return s.AdvertisedReferencesContext(context.Background())
}

func (s *sshSession) AdvertisedReferencesContext(context.Context) (*packp.AdvRefs, error) {
	if s.adv != nil {
		return s.adv, nil
	}
	adv := packp.NewAdvRefs()
	err := adv.Decode(s.stdout)
	if errors.Is(err, packp.ErrEmptyAdvRefs) {
		err = nil
	}
	if err != nil {
		return nil, s.refusal(err)
	}
	if adv.IsEmpty() && !s.receiving {
		return nil, transport.ErrEmptyRemoteRepository
	}
	transport.FilterUnsupportedCapabilities(adv.Capabilities)
	s.adv = adv
	return adv, nil
}

// refusal puts what the server said on stderr to an error. Servers have no
// other way of telling that a repository is not there. They say it before they end,
// but it is read beside what comes on stdout, and may be noticed after its end.
func (s *sshSession) refusal(err error) error {
	if errors.Is(err, packp.ErrEmptyInput) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		s.ended()
	}
	said := s.stderr.String()
	switch {
	case said == "":
		return err
	case strings.Contains(said, "not found"), strings.Contains(said, "could not be found"),
		strings.Contains(said, "does not appear to be a git repository"),
		strings.Contains(said, "not exist"):
		return fmt.Errorf("%w: %s", transport.ErrRepositoryNotFound, said)
	default:
		return fmt.Errorf("%s: %w", said, err)
	}
}

func (s *sshSession) UploadPack(_ context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	s.spoken = true
	if err := req.UploadRequest.Encode(s.stdin); err != nil {
		return nil, err
	}
	if err := req.UploadHaves.Encode(s.stdin, true); err != nil {
		return nil, err
	}
	if err := pktline.NewEncoder(s.stdin).EncodeString("done\n"); err != nil {
		return nil, err
	}
	if err := s.stdin.Close(); err != nil {
		return nil, err
	}
	res := packp.NewUploadPackResponse(req)
	if err := res.Decode(ioutil.NewReadCloser(s.stdout, s)); err != nil {
		return nil, s.refusal(err)
	}
	return res, nil
}

func (s *sshSession) ReceivePack(_ context.Context, req *packp.ReferenceUpdateRequest) (*packp.ReportStatus, error) {
	s.spoken = true
	if err := req.Encode(s.stdin); err != nil {
		return nil, err
	}
	if err := s.stdin.Close(); err != nil {
		return nil, err
	}
	report := packp.NewReportStatus()
	if err := report.Decode(s.stdout); err != nil {
		return nil, s.refusal(err)
	}
	return report, report.Error()
}

// Close says goodbye where the server still waits for a request.
func (s *sshSession) Close() error {
	if !s.spoken {
		s.spoken = true
		_, _ = s.stdin.Write(pktline.FlushPkt) // the connection is closed right after
	}
	return s.release()
}

// opening keeps the beginning of what a server writes to stderr.
type opening struct {
	mu   sync.Mutex
	data []byte
}

func (o *opening) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.data = append(o.data, b[:min(len(b), 1024-len(o.data))]...)
	return len(b), nil
}

func (o *opening) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(strings.Fields(string(o.data)), " ")
}
