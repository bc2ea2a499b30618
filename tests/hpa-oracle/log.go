package main

import (
	"context"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/runtime"
)

// maxRetries is longer than five tries of a write, ten milliseconds apart, take.
const maxRetries = 100 * time.Millisecond

// log reads what the controller says in its log: its events, its errors, and the proposal before windows and limits.
type log struct {
	events   []Event
	errors   []string
	proposal *Proposal
}

func (l *log) clear() { *l = log{} }

// catchErrors collects the errors with which syncs end, which go to handlers that the whole process shares.
func (l *log) catchErrors() {
	runtime.ErrorHandlers = []runtime.ErrorHandler{
		func(_ context.Context, err error, _ string, _ ...any) { l.errors = append(l.errors, err.Error()) },
	}
}

// Init implements logr.LogSink.
func (l *log) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (l *log) Enabled(level int) bool { return level == 3 || level == 4 }

// Info implements logr.LogSink.
func (l *log) Info(_ int, message string, keysAndValues ...any) {
	value := func(key string) any {
		for i := 0; i+1 < len(keysAndValues); i += 2 {
			if keysAndValues[i] == key {
				return keysAndValues[i+1]
			}
		}
		panic(fmt.Sprintf("%s: no %s in %v", message, key, keysAndValues))
	}
	switch message {
	case "Event occurred":
		text := func(key string) string { return value(key).(string) }
		l.events = append(l.events, Event{text("type"), text("reason"), text("message")})
	case "Proposing desired replicas", "Proposing desired replicas from zero":
		l.proposal = &Proposal{value("desiredReplicas").(int32), value("metric").(string)}
	}
}

// Error implements logr.LogSink.
func (l *log) Error(err error, message string, _ ...any) {
	l.errors = append(l.errors, fmt.Sprintf("%s: %v", message, err))
}

// WithValues implements logr.LogSink.
func (l *log) WithValues(...any) logr.LogSink { return l }

// WithName implements logr.LogSink.
func (l *log) WithName(string) logr.LogSink { return l }
