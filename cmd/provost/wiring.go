package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/provost-dev/provost/policies"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/sources"
	"github.com/provost-dev/provost/sources/forge"
	"github.com/provost-dev/provost/sources/forge/gitea"
	"github.com/provost-dev/provost/sources/forge/github"
	"github.com/provost-dev/provost/sources/forge/gitlab"
	"github.com/provost-dev/provost/sources/git"
)

// build wires a reconciler from its configuration. Nothing is contacted yet.
// Whoever calls it calls closing when the last pass has ended: statuses that
// wait are delivered as long as ctx allows, shells and connections given back.
func build(c *Config, log *slog.Logger) (r *reconciler.Reconciler, closing func(ctx context.Context), err error) {
	systems := map[string]reconciler.Managed{}
	for name, s := range c.Systems {
		system, err := s.open(name, c, log)
		if err != nil {
			return nil, nil, fmt.Errorf("systems.%s: %w", name, err)
		}
		systems[name] = reconciler.Managed{System: system, Apply: s.Apply, Prune: s.Prune}
	}
	repo, err := git.New(c.Repository, filepath.Join(c.State, "mirror"), log)
	if err != nil {
		return nil, nil, fmt.Errorf("repository: %w", err)
	}
	statuses, err := c.Forge.open(repo, cmp.Or(c.Repository.Branch, "main"), log)
	if err != nil {
		return nil, nil, fmt.Errorf("forge: %w", err)
	}
	people := sources.NewPeople(statuses)
	branch := sources.Vet(repo, sources.Vetting{
		Since: c.Repository.Since, File: filepath.Join(c.State, "believed"), Push: people, Log: log,
	})
	source := sources.New(branch, statuses, log)
	closing = func(ctx context.Context) {
		if err := source.Close(ctx); err != nil {
			log.Warn("statuses not delivered", "error", err)
		}
		closeSystems(systems)
	}
	return &reconciler.Reconciler{
		Source: source, Systems: systems, Policy: policies.New(log), People: people, Guard: c.Guard, Log: log,
		Notes: reconciler.NewNotes(filepath.Join(c.State, "notes.json")), Approvals: approvals(c), Approvers: c.Approvers,
		PublicURL: c.PublicURL, Grace: c.Grace, Paused: pauseFile(c.State).reason,
	}, closing, nil
}

func closeSystems(systems map[string]reconciler.Managed) {
	for _, managed := range systems {
		if system, ok := managed.System.(io.Closer); ok {
			system.Close() // what cannot be given back ends with the process
		}
	}
}

// open makes the forge's client. Requests are listed for the watched branch only.
func (f ForgeConfig) open(repo *git.Repository, branch string, log *slog.Logger) (sources.Forge, error) {
	for _, c := range []*forge.Config{f.GitLab, f.Gitea, f.GitHub} {
		if c != nil && c.Branch == "" {
			c.Branch = branch
		}
	}
	switch {
	case f.GitLab != nil:
		return gitlab.New(*f.GitLab, log)
	case f.Gitea != nil:
		return gitea.New(*f.Gitea, log)
	case f.GitHub != nil:
		return github.New(*f.GitHub, log)
	case f.Notes != nil:
		return sources.WithoutForge(git.NewNotes(repo)), nil
	}
	return sources.WithoutForge(nil), nil
}
