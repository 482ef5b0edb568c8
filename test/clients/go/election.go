package main

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// electionTour has two candidates: the first leads until it gives up, then the second does, and never both.
func electionTour(ctx context.Context, config *rest.Config, _ []string) error {
	return inNamespace(ctx, config, func(client *kubernetes.Clientset, namespace string) error {
		told := make(chan string, 10)
		first, resign := context.WithCancel(ctx)
		defer resign()
		go campaign(first, client, namespace, "first", told)
		if err := expectNext(ctx, told, "first leads"); err != nil {
			return err
		}
		second, end := context.WithCancel(ctx)
		defer end()
		go campaign(second, client, namespace, "second", told)
		resign()
		for _, want := range []string{"first ended", "second leads"} {
			if err := expectNext(ctx, told, want); err != nil {
				return err
			}
		}
		lease, err := client.CoordinationV1().Leases(namespace).Get(ctx, "lead", metav1.GetOptions{})
		if err != nil {
			return err
		}
		spec := lease.Spec
		return check(*spec.HolderIdentity == "second" && *spec.LeaseTransitions == 1, "the lease names the second holder: %v %v", *spec.HolderIdentity, *spec.LeaseTransitions)
	})
}

func campaign(ctx context.Context, client *kubernetes.Clientset, namespace, name string, told chan<- string) {
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "lead", Namespace: namespace},
			Client:     client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		},
		LeaseDuration:   3 * time.Second,
		RenewDeadline:   2 * time.Second,
		RetryPeriod:     100 * time.Millisecond,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { told <- name + " leads" },
			OnStoppedLeading: func() { told <- name + " ended" },
		},
	})
}

func expectNext(ctx context.Context, told <-chan string, want string) error {
	select {
	case got := <-told:
		return check(got == want, "next is %q: %q", want, got)
	case <-ctx.Done():
		return fmt.Errorf("%q did not happen: %w", want, ctx.Err())
	}
}
