package policies

import "math"

// limitsFile is where a campus writes how much, where and under which name.
const limitsFile = "policies/limits.yaml"

// dimension is what a quota counts.
type dimension int

// The dimensions, in the order in which messages name them.
const (
	guests dimension = iota // machines, whether they run or not
	cores                   // count
	memory                  // MiB, without swap
	disk                    // GiB of root disks
	dimensions
)

var dimensionNames = [dimensions]string{"guests", "cores", "memory", "disk"}

func (d dimension) String() string { return dimensionNames[d] }

// amounts holds one number a dimension.
type amounts [dimensions]int64

// unlimited is the limit that nothing exceeds.
const unlimited = math.MaxInt64

func noLimits() amounts {
	return amounts{unlimited, unlimited, unlimited, unlimited}
}

// The scopes of quotas: whose usage is added up.
const (
	scopeStudent = "student"
	scopeProject = "project"
	scopeCohort  = "cohort"
	scopeCluster = "cluster"
)

var scopes = []string{scopeStudent, scopeProject, scopeCohort, scopeCluster}

// holder is one whose usage is added up: the student rapamato, the cluster cri.
type holder struct{ scope, name string }

// quota is the limits of all holders of one scope.
type quota struct {
	Default amounts
	Except  map[string]amounts // by name; what an exception does not say is the default's
}

// allowance says where the machines and records of some units may be.
type allowance struct {
	For   string              // pattern of units
	Lists map[string][]string // patterns by subject: nodes, storages, bridges, bases, zones
}

// allowSubjects are the lists that an allowance may hold.
var allowSubjects = []string{"nodes", "storages", "bridges", "bases", "zones"}

// naming says what the machines of some units may be called.
type naming struct {
	For  string   // pattern of units
	Like []string // patterns of host names; {student} stands for the login
}

// limits is the content of the limits file. Its zero value is not useful: an
// absent file is [defaultLimits].
type limits struct {
	Quotas map[string]quota // by scope
	Allow  []allowance
	Names  []naming
	Warn   map[string]int64 // percent, by "memory" of nodes and "storage"
}

// defaultLimits limits nothing and warns when a node's memory or a storage is
// 90 % full.
func defaultLimits() limits {
	l := limits{Quotas: map[string]quota{}, Warn: map[string]int64{"memory": 90, "storage": 90}}
	for _, scope := range scopes {
		l.Quotas[scope] = quota{Default: noLimits()}
	}
	return l
}

// of are the limits of one holder.
func (l limits) of(h holder) amounts {
	q := l.Quotas[h.scope]
	if a, ok := q.Except[h.name]; ok {
		return a
	}
	return q.Default
}

// data is what rules see as data.limits: plain JSON in which every exception is
// complete and what has no limit is left out.
func (l limits) data() map[string]any {
	quotas := map[string]any{}
	for scope, q := range l.Quotas {
		except := map[string]any{}
		for name, a := range q.Except {
			except[name] = a.data()
		}
		quotas[scope] = map[string]any{"default": q.Default.data(), "except": except}
	}
	allow := []any{}
	for _, a := range l.Allow {
		entry := map[string]any{"for": a.For}
		for subject, patterns := range a.Lists {
			entry[subject] = anys(patterns)
		}
		allow = append(allow, entry)
	}
	names := []any{}
	for _, n := range l.Names {
		names = append(names, map[string]any{"for": n.For, "like": anys(n.Like)})
	}
	warn := map[string]any{}
	for what, percent := range l.Warn {
		if percent != unlimited {
			warn[what] = percent
		}
	}
	return map[string]any{"quotas": quotas, "allow": allow, "names": names, "warn": warn}
}

func (a amounts) data() map[string]any {
	m := map[string]any{}
	for d, n := range a {
		if n != unlimited {
			m[dimension(d).String()] = n
		}
	}
	return m
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
