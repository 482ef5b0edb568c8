package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// What one informer was told and holds, for whoever knows what was written.
type report struct {
	// resourceVersion by name, as the informer's store has it in the end.
	State map[string]string `json:"state"`
	// The annotation `n` of the object `counter`, each time it was told.
	Counts []string `json:"counts"`
	// How often everything was read anew, the first time included.
	Lists int64 `json:"lists"`
	// What contradicts itself: an update of what was not there, an old version after a newer one.
	Faults []string `json:"faults"`
}

// informersTour keeps informers of the ConfigMaps of a namespace. It says `synced`; then, of each ConfigMap whose name
// begins with `mark-`, its name, once all informers were told of it; and after `mark-end` it reports.
func informersTour(ctx context.Context, config *rest.Config, arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("expected the name of a namespace, found %d arguments", len(arguments))
	}
	observers, err := observe(config, arguments[0])
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	defer running.Wait()
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	for _, observer := range observers {
		running.Go(func() { observer.informer.Run(stopping.Done()) })
		if !cache.WaitForCacheSync(ctx.Done(), observer.informer.HasSynced) {
			return fmt.Errorf("an informer did not fill: %w", ctx.Err())
		}
	}
	fmt.Println("synced")
	for mark := ""; mark != "mark-end"; fmt.Println(mark) {
		for name, observer := range observers {
			select {
			case mark = <-observer.marks:
			case <-ctx.Done():
				return fmt.Errorf("the %s informer was told nothing after %q: %w", name, mark, ctx.Err())
			}
		}
	}
	reports := map[string]report{}
	for name, observer := range observers {
		reports[name] = observer.report()
	}
	return json.NewEncoder(os.Stdout).Encode(reports)
}

// observe makes an informer of each sort there is, each with a connection and a count of its own.
func observe(config *rest.Config, namespace string) (map[string]*observer, error) {
	resource := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	typed, protobufs, untyped, bare := newObserver(config), newObserver(config), newObserver(config), newObserver(config)
	client, err := kubernetes.NewForConfig(typed.config)
	if err != nil {
		return nil, err
	}
	protobufs.config.ContentType = protobuf
	protobufs.config.AcceptContentTypes = protobuf + ",application/json"
	inProtobuf, err := kubernetes.NewForConfig(protobufs.config)
	if err != nil {
		return nil, err
	}
	dynamics, err := dynamic.NewForConfig(untyped.config)
	if err != nil {
		return nil, err
	}
	metadatas, err := metadata.NewForConfig(bare.config)
	if err != nil {
		return nil, err
	}
	maps := func(client kubernetes.Interface) cache.SharedIndexInformer {
		factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
		return factory.Core().V1().ConfigMaps().Informer()
	}
	found := map[*observer]cache.SharedIndexInformer{
		typed:     maps(client),
		protobufs: maps(inProtobuf),
		untyped:   dynamicinformer.NewFilteredDynamicSharedInformerFactory(dynamics, 0, namespace, nil).ForResource(resource).Informer(),
		bare:      metadatainformer.NewFilteredSharedInformerFactory(metadatas, 0, namespace, nil).ForResource(resource).Informer(),
	}
	for observer, informer := range found {
		observer.informer = informer
		if _, err := informer.AddEventHandler(observer); err != nil {
			return nil, err
		}
	}
	return map[string]*observer{"typed": typed, "protobuf": protobufs, "dynamic": untyped, "metadata": bare}, nil
}

type observer struct {
	config   *rest.Config
	informer cache.SharedIndexInformer
	marks    chan string
	lists    atomic.Int64

	// Handlers are called one at a time; the report is read by another goroutine.
	mutex  sync.Mutex
	known  map[string]metav1.Object
	counts []string
	faults []string
}

func newObserver(config *rest.Config) *observer {
	it := &observer{config: rest.CopyConfig(config), marks: make(chan string, 100), known: map[string]metav1.Object{}}
	it.config.Timeout = 0
	it.config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			query := request.URL.Query()
			if query.Get("watch") == "" || query.Get("sendInitialEvents") == "true" {
				it.lists.Add(1)
			}
			return next.RoundTrip(request)
		})
	})
	return it
}

type roundTripper func(*http.Request) (*http.Response, error)

func (send roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	return send(request)
}

func (it *observer) OnAdd(added any, _ bool) { it.told("add", nil, added) }

func (it *observer) OnUpdate(before, after any) { it.told("update", before, after) }

func (it *observer) OnDelete(gone any) {
	if last, isLost := gone.(cache.DeletedFinalStateUnknown); isLost {
		gone = last.Obj
	}
	it.told("delete", nil, gone)
}

func (it *observer) told(what string, before, now any) {
	it.mutex.Lock()
	defer it.mutex.Unlock()
	object, err := meta.Accessor(now)
	if err != nil {
		it.faults = append(it.faults, err.Error())
		return
	}
	name := object.GetName()
	last, isKnown := it.known[name]
	if isKnown == (what == "add") {
		it.faults = append(it.faults, fmt.Sprintf("%s of %s, known: %t", what, name, isKnown))
	}
	if before, err := meta.Accessor(before); err == nil && isKnown && before.GetResourceVersion() != last.GetResourceVersion() {
		it.faults = append(it.faults, fmt.Sprintf("update of %s from %s, last told %s", name, before.GetResourceVersion(), last.GetResourceVersion()))
	}
	if what == "delete" {
		delete(it.known, name)
		return
	}
	it.known[name] = object
	if name == "counter" {
		it.counts = append(it.counts, object.GetAnnotations()["n"])
	}
	if what == "add" && strings.HasPrefix(name, "mark-") {
		it.marks <- name
	}
}

func (it *observer) report() report {
	state := map[string]string{}
	for _, item := range it.informer.GetStore().List() {
		if object, err := meta.Accessor(item); err == nil {
			state[object.GetName()] = object.GetResourceVersion()
		}
	}
	it.mutex.Lock()
	defer it.mutex.Unlock()
	return report{State: state, Counts: it.counts, Lists: it.lists.Load(), Faults: append([]string{}, it.faults...)}
}
