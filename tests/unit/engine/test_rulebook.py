"""From a spec to rules: whose template, whose record, and when they are made again."""

from dataclasses import replace
from typing import Any

import pytest

from model_rollout.analysis.detector import OneSample
from model_rollout.analysis.evidence import begin, report
from model_rollout.analysis.placeholders import Problem
from model_rollout.analysis.when import When
from model_rollout.api.metric import MetricAction
from model_rollout.api.revision import MetricSummary, RevisionPhase
from model_rollout.api.rollout import ModelRolloutSpec
from model_rollout.engine.rulebook import Circumstances, RuleBook, RuleSet, newest_stable
from model_rollout.engine.store import Store
from model_rollout.ports.kubernetes import Json
from model_rollout.revisions.history import Revision
from unit.decision.builders import revision, spec

OWN, OPERATORS = "ml", "operators"
COUNTS = {"bad": 'wrong{app="{{workload}}"}', "total": 'all{app="{{workload}}"}'}
WORSE = {"baseline": {"from": "StableRevision", "maxWorse": 0.02}}


def template(namespace: str, limit: float, version: str = "1", **metric: Any) -> Json:
    made = {"name": "wrong", "counts": COUNTS, "max": limit} | metric
    metadata = {"name": "safety", "namespace": namespace, "uid": "u", "resourceVersion": version}
    return {"metadata": metadata, "spec": {"metrics": [made]}}


def by_template(**changes: Any) -> ModelRolloutSpec:
    return spec(metrics=[{"name": "wrong", "templateRef": {"name": "safety"}} | changes])


def recorded(number: int, bad: float, total: float) -> Revision:
    found = revision(number)
    summary = MetricSummary(name="wrong", bad=bad, total=total, checks=10)
    return replace(found, status=found.status.model_copy(update={"metrics": (summary,)}))


def made(of: ModelRolloutSpec, store: Store | None = None, **found: Any) -> RuleSet:
    circumstances = Circumstances(OWN, "sentiment", **found)
    return RuleBook(Store() if store is None else store, OPERATORS).rules(of, circumstances, None)


def limit_of(rules: RuleSet) -> float:
    (rule,) = rules.rules
    assert isinstance(rule.design.hypothesis, OneSample)
    return rule.design.hypothesis.limit


def said(rules: RuleSet) -> str:
    (rule,) = rules.rules
    return report(begin(rule, 0.0, None), rule, 1.0).message


@pytest.mark.parametrize(("there", "limit"), [((OPERATORS,), 0.1), ((OPERATORS, OWN), 0.2)])
def test_template_of_the_own_namespace_goes_first(there: tuple[str, ...], limit: float) -> None:
    store = Store()
    for namespace in there:
        store.put_template(template(namespace, 0.1 if namespace == OPERATORS else 0.2))
    assert limit_of(made(by_template(), store)) == limit


def test_missing_template_is_said_and_is_no_rule_of_its_own() -> None:
    assert "there is no MetricTemplate safety" in said(made(by_template()))


def test_rules_are_made_once() -> None:
    book, of = RuleBook(Store(), OPERATORS), by_template()
    found = Circumstances(OWN, "sentiment")
    first = book.rules(of, found, None)
    assert book.rules(of, found, first) is first


def test_corrected_template_makes_them_again() -> None:
    store, of, found = Store(), by_template(), Circumstances(OWN, "sentiment")
    store.put_template(template(OWN, 0.1))
    book = RuleBook(store, OPERATORS)
    first = book.rules(of, found, None)
    store.put_template(template(OWN, 0.3, version="2"))
    assert limit_of(book.rules(of, found, first)) == 0.3


def test_selectors_name_the_values_of_the_current_revision() -> None:
    counts = {"bad": 'wrong{image="{{component.model}}",h="{{podTemplateHash}}"}', "total": "all"}
    of = spec(metrics=[{"name": "wrong", "counts": counts, "max": 0.1}])
    (rule,) = made(of, revision=revision(2), template_hash="5f7d").rules
    assert rule.pairs[0].selectors[0] == 'wrong{image="m:2",h="5f7d"}'


def test_hash_is_needed_only_where_a_selector_names_it() -> None:
    book = RuleBook(Store(), OPERATORS)
    counts = {"bad": 'wrong{h="{{podTemplateHash}}"}', "total": "all"}
    named = spec(metrics=[{"name": "wrong", "counts": counts, "max": 0.1}])
    assert book.needs_template_hash(named, OWN, None)
    assert not book.needs_template_hash(spec(), OWN, None)


def test_hash_that_is_not_known_yet_is_no_mistake_of_the_spec() -> None:
    counts = {"bad": 'wrong{h="{{podTemplateHash}}"}', "total": "all"}
    rules = made(spec(metrics=[{"name": "wrong", "counts": counts, "max": 0.1}]))
    (rule,) = rules.rules
    assert not report(begin(rule, 0.0, None), rule, 1.0).unavailable


def test_limit_is_the_record_of_the_stable_revision_and_what_may_be_worse() -> None:
    of = spec(metrics=[{"name": "wrong", "counts": {"bad": "wrong", "total": "all"}} | WORSE])
    assert limit_of(made(of, stable=recorded(1, 100.0, 2000.0))) == pytest.approx(0.07)


def test_record_on_few_outcomes_asks_for_a_fixed_limit() -> None:
    of = spec(metrics=[{"name": "wrong", "counts": {"bad": "wrong", "total": "all"}} | WORSE])
    assert "100 outcomes" in said(made(of, stable=recorded(1, 5.0, 100.0)))


@pytest.mark.parametrize(("current", "number"), [(3, 2), (2, 1), (1, 2)])
def test_newest_stable_is_another_one(current: int, number: int) -> None:
    candidate = revision(3, phase=RevisionPhase.CANDIDATE)
    found = newest_stable((revision(1), revision(2), candidate), revision(current).name)
    assert found is not None
    assert found.number == number


def test_only_stable_revision_is_held_to_its_own_record() -> None:
    only = revision(1)
    assert newest_stable((only,), only.name) == only


@pytest.mark.parametrize(("total", "limit"), [(100.0, "none yet"), (1000.0, "<= 0.12")])
def test_own_record_on_few_outcomes_is_no_limit_yet(total: float, limit: str) -> None:
    of = spec(metrics=[{"name": "wrong", "counts": {"bad": "wrong", "total": "all"}} | WORSE])
    only = recorded(1, total / 10, total)
    (rule,) = made(of, stable=only, revision=only).rules
    assert rule.limit == limit


def test_any_looks_at_the_action_that_a_template_gives() -> None:
    store = Store()
    store.put_template(template(OWN, 0.1, action="Notify"))
    rules = made(by_template(), store)
    assert isinstance(rules.when, When)
    assert rules.when.acting == ()
    assert rules.rules[0].action is MetricAction.NOTIFY


def test_misspelt_metric_in_when_is_a_problem() -> None:
    rules = made(spec(analysis={"when": "acuracy.breached"}))
    assert isinstance(rules.when, Problem)
