package main

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	applyappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// protobufTour is typedTour as Kubernetes' own programs speak: bodies in protobuf, answers in whatever the server has.
func protobufTour(ctx context.Context, config *rest.Config, arguments []string) error {
	config = rest.CopyConfig(config)
	config.ContentType = protobuf
	config.AcceptContentTypes = protobuf + ",application/json"
	return typedTour(ctx, config, arguments)
}

func typedTour(ctx context.Context, config *rest.Config, _ []string) error {
	return inNamespace(ctx, config, func(client *kubernetes.Clientset, namespace string) error {
		for _, step := range []func(context.Context, *kubernetes.Clientset, string) error{
			createPatchDelete, conflicts, serverSideApply, collections,
		} {
			if err := step(ctx, client, namespace); err != nil {
				return err
			}
		}
		return nil
	})
}

// createPatchDelete watches one object through its life.
func createPatchDelete(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	list, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	events, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, FieldSelector: "metadata.name=life"})
	if err != nil {
		return err
	}
	defer events.Stop()
	_, err = maps.Create(ctx, configMap("life", "0"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = maps.Create(ctx, configMap("life", "0"), metav1.CreateOptions{})
	if err := check(errors.IsAlreadyExists(err), "a second create of a name is refused: %v", err); err != nil {
		return err
	}
	patches := []struct {
		form types.PatchType
		body string
	}{
		{types.JSONPatchType, `[{"op":"replace","path":"/data/n","value":"1"}]`},
		{types.MergePatchType, `{"data":{"n":"2"}}`},
		{types.StrategicMergePatchType, `{"data":{"n":"3"}}`},
	}
	for _, patch := range patches {
		if _, err := maps.Patch(ctx, "life", patch.form, []byte(patch.body), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", patch.form, err)
		}
	}
	uid := types.UID("of another")
	err = maps.Delete(ctx, "life", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if err := check(errors.IsConflict(err), "a delete of another uid is refused: %v", err); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "life", metav1.DeleteOptions{}); err != nil {
		return err
	}
	_, err = maps.Get(ctx, "life", metav1.GetOptions{})
	if err := check(errors.IsNotFound(err), "what was deleted is not found: %v", err); err != nil {
		return err
	}
	return expectLife(ctx, events, []string{"ADDED 0", "MODIFIED 1", "MODIFIED 2", "MODIFIED 3", "DELETED 3"})
}

func expectLife(ctx context.Context, events watch.Interface, wanted []string) error {
	for _, want := range wanted {
		select {
		case event := <-events.ResultChan():
			object, isMap := event.Object.(*corev1.ConfigMap)
			if !isMap {
				return fmt.Errorf("a watch told %s of %T", event.Type, event.Object)
			}
			got := fmt.Sprintf("%s %s", event.Type, object.Data["n"])
			if err := check(got == want, "the watch tells %q next: it told %q", want, got); err != nil {
				return err
			}
		case <-ctx.Done():
			return fmt.Errorf("the watch did not tell %q: %w", want, ctx.Err())
		}
	}
	return nil
}

// conflicts writes with an old version, and then as one does: read again and try again.
func conflicts(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	first, err := maps.Create(ctx, configMap("shared", "0"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	mine, theirs := first.DeepCopy(), first.DeepCopy()
	theirs.Data["theirs"] = "yes"
	if _, err := maps.Update(ctx, theirs, metav1.UpdateOptions{}); err != nil {
		return err
	}
	mine.Data["mine"] = "yes"
	_, err = maps.Update(ctx, mine, metav1.UpdateOptions{})
	if err := check(errors.IsConflict(err), "an update of an old version is refused: %v", err); err != nil {
		return err
	}
	var last *corev1.ConfigMap
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current, err := maps.Get(ctx, "shared", metav1.GetOptions{})
		if err != nil {
			return err
		}
		current.Data["mine"] = "yes"
		last, err = maps.Update(ctx, current, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	return check(last.Data["mine"] == "yes" && last.Data["theirs"] == "yes", "both writes are there: %v", last.Data)
}

// serverSideApply owns fields of a Deployment, gives one away, and extracts what is its own.
func serverSideApply(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	deployments := client.AppsV1().Deployments(namespace)
	labels := map[string]string{"app": "web"}
	wanted := applyappsv1.Deployment("web", namespace).WithSpec(applyappsv1.DeploymentSpec().
		WithReplicas(0).
		WithSelector(applymetav1.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(applycorev1.PodTemplateSpec().WithLabels(labels).WithSpec(applycorev1.PodSpec().
			WithContainers(applycorev1.Container().WithName("web").WithImage("web:1")))))
	made, err := deployments.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	again, err := deployments.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	if err := check(made.Generation == again.Generation, "the same apply again changes nothing"); err != nil {
		return err
	}
	other := applyappsv1.Deployment("web", namespace).WithSpec(applyappsv1.DeploymentSpec().WithReplicas(5))
	_, err = deployments.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two"})
	if err := check(errors.IsConflict(err), "a field of another manager is a conflict: %v", err); err != nil {
		return err
	}
	taken, err := deployments.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil {
		return err
	}
	return checkOwners(taken)
}

func checkOwners(deployment *appsv1.Deployment) error {
	one, err := applyappsv1.ExtractDeployment(deployment, "one")
	if err != nil {
		return err
	}
	if err := check(one.Spec.Replicas == nil, "a field taken by force is no longer the first manager's"); err != nil {
		return err
	}
	containers := one.Spec.Template.Spec.Containers
	if err := check(len(containers) == 1 && *containers[0].Image == "web:1", "the rest is"); err != nil {
		return err
	}
	two, err := applyappsv1.ExtractDeployment(deployment, "two")
	if err != nil {
		return err
	}
	return check(two.Spec.Replicas != nil && *two.Spec.Replicas == 5 && two.Spec.Template == nil, "the second manager owns what it applied")
}

// collections reads in pages, by labels, and deletes by them.
func collections(ctx context.Context, client *kubernetes.Clientset, namespace string) error {
	maps := client.CoreV1().ConfigMaps(namespace)
	const count = 7
	for n := range count {
		object := configMap(fmt.Sprintf("many-%d", n), fmt.Sprint(n))
		object.Labels = map[string]string{"many": "yes", "odd": fmt.Sprint(n % 2)}
		if _, err := maps.Create(ctx, object, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	seen, pages := 0, 0
	for token := ""; pages == 0 || token != ""; pages++ {
		page, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "many", Limit: 3, Continue: token})
		if err != nil {
			return err
		}
		seen += len(page.Items)
		token = page.Continue
	}
	if err := check(seen == count && pages == 3, "%d objects are in 3 pages: %d in %d", count, seen, pages); err != nil {
		return err
	}
	err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "odd=1"})
	if err != nil {
		return err
	}
	left, err := remaining(ctx, maps)
	if err != nil {
		return err
	}
	return check(left == 4, "the even ones are left: %d", left)
}

func remaining(ctx context.Context, maps typedcorev1.ConfigMapInterface) (int, error) {
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "many=yes"})
	if err != nil {
		return 0, err
	}
	return len(list.Items), nil
}

func configMap(name, n string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"n": n}}
}
