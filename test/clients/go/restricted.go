package main

import (
	"context"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// restrictedTour acts as a ServiceAccount that may read ConfigMaps, and nothing else.
func restrictedTour(ctx context.Context, config *rest.Config, _ []string) error {
	return inNamespace(ctx, config, func(admin *kubernetes.Clientset, namespace string) error {
		if err := letRead(ctx, admin, namespace); err != nil {
			return err
		}
		seconds := int64(600)
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
		token, err := admin.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, "reader", request, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		restricted := rest.AnonymousClientConfig(config)
		restricted.BearerToken = token.Status.Token
		reader, err := kubernetes.NewForConfig(restricted)
		if err != nil {
			return err
		}
		if err := readsOnly(ctx, reader, namespace); err != nil {
			return err
		}
		return evict(ctx, admin, reader, namespace)
	})
}

func letRead(ctx context.Context, admin *kubernetes.Clientset, namespace string) error {
	named := metav1.ObjectMeta{Name: "reader"}
	account := &corev1.ServiceAccount{ObjectMeta: named}
	if _, err := admin.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list", "watch"}}}
	role := &rbacv1.Role{ObjectMeta: named, Rules: rules}
	if _, err := admin.RbacV1().Roles(namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: named,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: "reader", Namespace: namespace}},
	}
	_, err := admin.RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{})
	return err
}

func readsOnly(ctx context.Context, reader *kubernetes.Clientset, namespace string) error {
	me, err := reader.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	name := "system:serviceaccount:" + namespace + ":reader"
	if err := check(me.Status.UserInfo.Username == name, "the token's user is %q: %q", name, me.Status.UserInfo.Username); err != nil {
		return err
	}
	if _, err := reader.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{}); err != nil {
		return err
	}
	_, err = reader.CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{})
	if err := check(errors.IsForbidden(err), "another namespace is forbidden: %v", err); err != nil {
		return err
	}
	_, err = reader.CoreV1().ConfigMaps(namespace).Create(ctx, configMap("x", "0"), metav1.CreateOptions{})
	if err := check(errors.IsForbidden(err), "writing is forbidden: %v", err); err != nil {
		return err
	}
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "watch", Resource: "configmaps"},
	}}
	answer, err := reader.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return check(answer.Status.Allowed, "the server says so when asked")
}

// evict asks for a pod to go; who may not, is told so.
func evict(ctx context.Context, admin, reader *kubernetes.Clientset, namespace string) error {
	pods := admin.CoreV1().Pods(namespace)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "guest"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/guest"}}},
	}
	if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return err
	}
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "guest", Namespace: namespace}}
	err := reader.PolicyV1().Evictions(namespace).Evict(ctx, eviction)
	if err := check(errors.IsForbidden(err), "eviction is forbidden: %v", err); err != nil {
		return err
	}
	if err := admin.PolicyV1().Evictions(namespace).Evict(ctx, eviction); err != nil {
		return err
	}
	_, err = pods.Get(ctx, "guest", metav1.GetOptions{})
	return check(errors.IsNotFound(err), "a pod that nobody runs is gone at once: %v", err)
}
