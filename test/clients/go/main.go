// Program clients does what programs built on client-go do, against the cluster that KUBECONFIG names.
// `clients TOUR [ARGUMENT…]` exits with 0 where everything was as Kubernetes promises; else it says what was not.
package main

import (
	"context"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// An informer that finds nobody there waits up to half a minute before it tries again.
const deadline = 120 * time.Second

// A tour returns the first thing that was not as promised.
type tour func(ctx context.Context, config *rest.Config, arguments []string) error

var tours = map[string]tour{
	"typed":      typedTour,
	"protobuf":   protobufTour,
	"dynamic":    dynamicTour,
	"election":   electionTour,
	"restricted": restrictedTour,
	"informers":  informersTour,
}

func main() {
	if len(os.Args) < 2 || tours[os.Args[1]] == nil {
		var names []string
		for name := range tours {
			names = append(names, name)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: clients TOUR, which is one of: %s\n", strings.Join(names, ", "))
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err == nil {
		config.QPS = -1 // Its own patience would be most of what a tour takes.
		err = tours[os.Args[1]](ctx, config, os.Args[2:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// inNamespace runs what needs a namespace of its own, and removes it.
func inNamespace(ctx context.Context, config *rest.Config, run func(client *kubernetes.Clientset, namespace string) error) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	wanted := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "tour-"}}
	made, err := client.CoreV1().Namespaces().Create(ctx, wanted, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := run(client, made.Name); err != nil {
		return err
	}
	return client.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{})
}

// check turns a claim that does not hold into an error.
func check(holds bool, claim string, arguments ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf("not so: "+claim, arguments...)
}
