package main

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// dynamicTour finds out what the server has, and works with kinds that were not known when it was compiled.
func dynamicTour(ctx context.Context, config *rest.Config, _ []string) error {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	version, err := client.ServerVersion()
	if err != nil {
		return err
	}
	if err := check(version.Major == "1" && strings.HasPrefix(version.GitVersion, "v1."), "the version is Kubernetes': %v", version); err != nil {
		return err
	}
	groups, resources, err := client.ServerGroupsAndResources()
	if err != nil {
		return err
	}
	if err := check(len(groups) > 10 && len(resources) >= len(groups), "all groups tell their resources: %d of %d", len(resources), len(groups)); err != nil {
		return err
	}
	if _, err := client.OpenAPISchema(); err != nil {
		return fmt.Errorf("OpenAPI v2: %w", err)
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client))
	return inNamespace(ctx, config, func(_ *kubernetes.Clientset, namespace string) error {
		service := schema.GroupKind{Group: "serving.knative.dev", Kind: "Service"}
		mapping, err := mapper.RESTMapping(service, "v1")
		if err != nil {
			return err
		}
		if err := knativeService(ctx, config, mapping.Resource, namespace); err != nil {
			return err
		}
		return onlyMetadata(ctx, config, mapping.Resource, namespace)
	})
}

// knativeService makes, applies to and lists a kind that has no Go type here.
func knativeService(ctx context.Context, config *rest.Config, resource schema.GroupVersionResource, namespace string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	services := client.Resource(resource).Namespace(namespace)
	template := func(image string) map[string]any {
		return map[string]any{
			"apiVersion": "serving.knative.dev/v1",
			"kind":       "Service",
			"metadata":   map[string]any{"name": "hello"},
			"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
				"containers": []any{map[string]any{"image": image}},
			}}},
		}
	}
	made, err := services.Create(ctx, &unstructured.Unstructured{Object: template("example.com/one")}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	timeout, found, err := unstructured.NestedInt64(made.Object, "spec", "template", "spec", "timeoutSeconds")
	if err := check(err == nil && found && timeout == 300, "defaults are filled in: %v %v", timeout, err); err != nil {
		return err
	}
	options := metav1.ApplyOptions{FieldManager: "tour", Force: true}
	applied, err := services.Apply(ctx, "hello", &unstructured.Unstructured{Object: template("example.com/two")}, options)
	if err != nil {
		return err
	}
	if err := check(applied.GetGeneration() == 2, "a new image is a new generation: %d", applied.GetGeneration()); err != nil {
		return err
	}
	list, err := services.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	return check(len(list.Items) == 1 && list.Items[0].GetName() == "hello", "the list has it")
}

// onlyMetadata reads and changes an object without its body.
func onlyMetadata(ctx context.Context, config *rest.Config, resource schema.GroupVersionResource, namespace string) error {
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	objects := client.Resource(resource).Namespace(namespace)
	patched, err := objects.Patch(ctx, "hello", "application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if err := check(patched.Labels["a"] == "b", "the label is there"); err != nil {
		return err
	}
	list, err := objects.List(ctx, metav1.ListOptions{LabelSelector: "a=b"})
	if err != nil {
		return err
	}
	if err := check(len(list.Items) == 1, "it is listed by its label"); err != nil {
		return err
	}
	return objects.Delete(ctx, "hello", metav1.DeleteOptions{})
}
