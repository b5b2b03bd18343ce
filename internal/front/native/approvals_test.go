package native_test

import (
	"net/http"
	"strings"
	"testing"

	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// A critical operation, from its refusal over the decision to its one use.
func TestApprovals(t *testing.T) {
	h := newHouse(t)
	var user wire.User
	for _, name := range []string{"critical", "bob"} {
		h.ask(t, "POST", "/users", `{"name":"`+name+`"}`, &user)
	}
	h.ask(t, "PUT", "/users/bob/policies/all", `{"document":"{\"Version\":\"2012-10-17\",\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}}"}`, nil)
	var credential wire.NewAccessKey
	h.ask(t, "POST", "/users/bob/access-keys", "", &credential)
	bob := func(method, path, body string) (code int, text string) {
		r := h.request(method, path, body)
		r.SetBasicAuth(credential.ID, credential.SecretAccessKey)
		w := h.serve(r)
		return w.Code, w.Body.String()
	}

	w := h.serve(h.request("DELETE", "/users/critical", ""))
	p := problemOf(t, w)
	_, id, found := strings.Cut(p.Detail, "holdfast approval request ")
	if w.Code != http.StatusForbidden || p.Kind != "permission-denied" || p.Reason != "approval-required" || !found {
		t.Fatalf("%d %+v", w.Code, p)
	}
	var one wire.Approval
	h.ask(t, "GET", "/approvals/"+id, "", &one)
	if one.State != "draft" || one.Action != "identity:DeleteUser" || one.Requester != "123456789012:user:admin" || one.Needed != 1 {
		t.Errorf("%+v", one)
	}
	h.ask(t, "POST", "/approvals/"+id+"/request", `{"reason":"left"}`, &one)
	if w := h.serve(h.request("POST", "/approvals/"+id+"/approve", "{}")); w.Code != http.StatusForbidden {
		t.Errorf("who asks approves: %d %s", w.Code, w.Body)
	}
	var list wire.ApprovalList
	h.ask(t, "GET", "/approvals?state=pending&limit=1", "", &list)
	if len(list.Approvals) != 1 || list.Approvals[0].ID != id || list.Approvals[0].Reason != "left" {
		t.Errorf("%+v", list)
	}
	if code, text := bob("GET", "/approvals?mine=true", ""); code != http.StatusOK || strings.Contains(text, id) {
		t.Errorf("bob's own: %d %s", code, text)
	}
	if code, text := bob("POST", "/approvals/"+id+"/approve", `{"comment":"yes"}`); code != http.StatusOK || !strings.Contains(text, `"state":"approved"`) {
		t.Fatalf("%d %s", code, text)
	}
	h.ask(t, "DELETE", "/users/critical", "", nil)
	h.ask(t, "GET", "/approvals/"+id, "", &one)
	if one.State != "used" || one.UsedBy == "" || len(one.Decisions) != 1 || one.Decisions[0].By != "123456789012:user:bob" {
		t.Errorf("%+v", one)
	}

	again := problemOf(t, h.serve(h.request("DELETE", "/users/critical", "")))
	_, second, _ := strings.Cut(again.Detail, "holdfast approval request ")
	if second == id {
		t.Error("an approval is used twice")
	}
	h.ask(t, "POST", "/approvals/"+second+"/request", `{"reason":"again"}`, &one)
	if code, text := bob("POST", "/approvals/"+second+"/deny", `{}`); code != http.StatusOK || !strings.Contains(text, `"state":"denied"`) {
		t.Errorf("%d %s", code, text)
	}
	for path, want := range map[string]int{
		"POST /approvals/" + second + "/cancel": http.StatusConflict, "GET /approvals/apr-none": http.StatusNotFound,
		"GET /approvals?state=lost": http.StatusBadRequest, "GET /approvals?mine=maybe": http.StatusBadRequest,
	} {
		method, path, _ := strings.Cut(path, " ")
		if w := h.serve(h.request(method, path, "")); w.Code != want {
			t.Errorf("%s %s: %d, want %d: %s", method, path, w.Code, want, w.Body)
		}
	}
	var rules wire.ApprovalRuleList
	h.ask(t, "GET", "/approval-rules", "", &rules)
	if len(rules.Rules) != 1 || rules.Rules[0].Count != 1 || rules.Rules[0].ValidSeconds != 3600 {
		t.Errorf("%+v", rules)
	}
}
