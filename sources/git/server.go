package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// server is a git server to talk to. A conversation ends with its context.
type server interface {
	uploadPack(ctx context.Context) (transport.UploadPackSession, error)
	receivePack(ctx context.Context) (transport.ReceivePackSession, error)
}

func newServer(cfg Config, ep *transport.Endpoint) (server, error) {
	if ep.Protocol == "ssh" {
		return newSSH(cfg, ep)
	}
	return newHTTP(cfg, ep)
}

// fetch asks a server for what the wanted references reach and st lacks.
// receive stores the pack. It gives all references of the server.
func fetch(ctx context.Context, srv server, st store, want []plumbing.ReferenceName, receive func(io.Reader) error) (at refs, err error) {
	s, err := srv.uploadPack(ctx)
	if err != nil {
		return nil, ended(ctx, err)
	}
	defer s.Close()
	adv, err := s.AdvertisedReferencesContext(ctx)
	if errors.Is(err, transport.ErrEmptyRemoteRepository) {
		return refs{}, nil
	}
	if err != nil {
		return nil, ended(ctx, err)
	}
	at = refs{}
	for name, hash := range adv.References {
		at[plumbing.ReferenceName(name)] = hash
	}
	req := packp.NewUploadPackRequestFromCapabilities(adv.Capabilities)
	for _, name := range want {
		if hash, ok := at[name]; ok && st.HasEncodedObject(hash) != nil {
			req.Wants = append(req.Wants, hash)
		}
	}
	if len(req.Wants) == 0 {
		return at, nil
	}
	if req.Haves, err = haves(st); err != nil {
		return nil, err
	}
	if adv.Capabilities.Supports(capability.NoProgress) {
		if err := req.Capabilities.Set(capability.NoProgress); err != nil {
			return nil, err
		}
	}
	res, err := s.UploadPack(ctx, req)
	if err != nil {
		return nil, ended(ctx, err)
	}
	defer res.Close()
	return at, ended(ctx, receive(demux(req.Capabilities, res)))
}

// demux takes the pack out of the band that it shares with progress messages.
func demux(agreed *capability.List, r io.Reader) io.Reader {
	switch {
	case agreed.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, r)
	case agreed.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, r)
	}
	return r
}

// push moves one reference of a server, sending objects along.
func push(ctx context.Context, srv server, st store, ref plumbing.ReferenceName, old, new plumbing.Hash, objects []plumbing.Hash) error {
	s, err := srv.receivePack(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	defer s.Close()
	adv, err := s.AdvertisedReferencesContext(ctx)
	if err != nil {
		return ended(ctx, err)
	}
	if adv.References[ref.String()] != old {
		return errMoved
	}
	var pack bytes.Buffer
	if _, err := packfile.NewEncoder(&pack, st, false).Encode(objects, 0); err != nil {
		return broken("what is to be pushed", err)
	}
	req := packp.NewReferenceUpdateRequestFromCapabilities(adv.Capabilities)
	req.Commands = []*packp.Command{{Name: ref, Old: old, New: new}}
	req.Packfile = io.NopCloser(&pack)
	report, err := s.ReceivePack(ctx, req)
	if refusedAsMoved(report) {
		return errMoved
	}
	return ended(ctx, err)
}

// refusedAsMoved reads from a server's refusal that the reference stands elsewhere. The
// protocol has no code for it, only words that differ from server to server.
func refusedAsMoved(report *packp.ReportStatus) bool {
	if report == nil {
		return false
	}
	for _, c := range report.CommandStatuses {
		for _, word := range []string{"non-fast-forward", "fetch first", "stale info", "failed to update ref", "failed to lock", "already exists", "cannot lock ref"} {
			if strings.Contains(c.Status, word) {
				return true
			}
		}
	}
	return false
}

// ended puts the reason for which a context ended in the place of whatever
// error that led to; go-git prints causes into its errors without wrapping them.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w (%v)", ctx.Err(), err)
}
