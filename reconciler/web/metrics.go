package web

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/provost-dev/provost/inventory"
	"github.com/provost-dev/provost/reconciler"
	"github.com/provost-dev/provost/reconciler/plan"
)

// Metrics counts what passes did, for Prometheus. Labels never hold names of
// people or machines: a campus has too many, and they are nobody's business there.
type Metrics struct {
	registry *prometheus.Registry
	passes   prometheus.Counter
	seconds  prometheus.Histogram
	changes  *prometheus.CounterVec
	blocked  *prometheus.GaugeVec
	declared *prometheus.GaugeVec
	drift    *prometheus.GaugeVec
	pending  *prometheus.GaugeVec
	retired  *prometheus.GaugeVec
	problems prometheus.Gauge
	unread   prometheus.Gauge
	last     prometheus.Gauge
	answers  *prometheus.CounterVec
}

// NewMetrics makes counters in a registry of their own.
func NewMetrics() *Metrics {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	factory := promauto.With(registry)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	gauges := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return factory.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	return &Metrics{
		registry: registry,
		passes:   factory.NewCounter(prometheus.CounterOpts{Name: "provost_passes_total", Help: "Passes that ended."}),
		seconds: factory.NewHistogram(prometheus.HistogramOpts{Name: "provost_pass_seconds", Help: "How long passes took.",
			Buckets: prometheus.ExponentialBuckets(0.125, 2, 14)}),
		changes:  counters("provost_changes_total", "Changes tried, by how they ended.", "kind", "action", "state"),
		blocked:  gauges("provost_blocked_changes", "Changes that the last pass held back.", "gate"),
		declared: gauges("provost_declared", "Resources declared.", "kind"),
		drift: gauges("provost_drift", "Fields that the last pass found not as declared though no commit asked for that, "+
			"those it corrected included.", "system", "kind", "field"),
		pending: gauges("provost_restarts_pending", "Running machines that take something at their next start only.", "system"),
		retired: gauges("provost_retired_machines", "Machines that nothing declares any more, as the last pass found them: "+
			"retiring, kept, undated (kept, and their mark names no day), due.", "system", "of", "stage"),
		problems: gauge("provost_declaration_errors", "Errors in the declarations."),
		unread:   gauge("provost_unread_parts", "Parts of live systems that could not be read."),
		last:     gauge("provost_last_pass_timestamp_seconds", "When the last pass ended."),
		answers:  counters("provost_http_answers_total", "HTTP requests, by what they were about and how they were answered.", "route", "code"),
	}
}

// Show adds a figure that is asked for when somebody looks.
func (m *Metrics) Show(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// handler serves the metrics.
func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Observe counts a pass that has ended; other stages are passed over.
func (m *Metrics) Observe(p *reconciler.Pass) {
	if p.Stage != reconciler.StageDone {
		return
	}
	m.passes.Inc()
	m.seconds.Observe(p.Finished.Sub(p.Started).Seconds())
	m.last.Set(float64(p.Finished.UnixMilli()) / 1000)
	m.problems.Set(float64(len(p.Errors())))
	m.unread.Set(float64(len(p.Unknown)))
	for _, r := range p.Results {
		if r.Blocked == "" {
			m.changes.WithLabelValues(r.Key.Kind(), string(r.Action), string(r.State)).Inc()
		}
	}
	m.blocked.Reset()
	for gate, n := range p.Plan.Count().Gates {
		m.blocked.WithLabelValues(string(gate)).Set(float64(n))
	}
	m.drift.Reset()
	for _, d := range p.Plan.Drift {
		m.drift.WithLabelValues(d.Key.System(), d.Key.Kind(), d.Field).Inc()
	}
	m.pending.Reset()
	for _, q := range p.Plan.Pending {
		m.pending.WithLabelValues(q.Key.System()).Inc()
	}
	m.leaving(p.Plan)
	m.declared.Reset()
	for kind, n := range p.Totals {
		m.declared.WithLabelValues(kind).Set(float64(n))
	}
}

// leaving counts the machines on their way out. Whether they were a cohort's or a
// project's is told; of which not, for a project may bear its student's name.
func (m *Metrics) leaving(p plan.Plan) {
	m.retired.Reset()
	count := func(key inventory.Key, of inventory.Owner, stage string) {
		kind, _, _ := strings.Cut(of.Unit, "/")
		m.retired.WithLabelValues(key.System(), kind, stage).Inc()
	}
	for _, k := range p.Kept {
		if k.Until == "" {
			count(k.Key, k.Owner, "undated")
		} else {
			count(k.Key, k.Owner, "kept")
		}
	}
	for _, s := range p.Steps {
		switch {
		case plan.Retires(s.Change):
			count(s.Key, s.Owner, "retiring")
		case plan.Purges(s.Change):
			count(s.Key, s.Owner, "due")
		}
	}
}
