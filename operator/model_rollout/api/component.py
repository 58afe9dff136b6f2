"""The components of a ModelRollout: where a version of the model is written."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from model_rollout.api.http_component import HttpComponent
from model_rollout.api.types import ApiModel, Label, ObjectName, cel, list_map, validations

_ATOM = (
    r"(\\[dwsDWS]|\\[^A-Za-z0-9\s]|\[\^?(\\[dwsDWS]|\\[^A-Za-z0-9\s]|[^\[\]\\^])+\]"
    r"|[^\[\]\\^$|()*+?{}])([*+?]|\{[0-9]{1,3}(,[0-9]{1,3})?\})?"
)
MATCH_PATTERN = rf"^\^?({_ATOM})*\(({_ATOM})+\)({_ATOM})*\$?$"
"""Expressions that `match` may be: characters, classes and repetitions, and one group."""

_MATCH_RULE = cel(
    f"self.matches(r'{MATCH_PATTERN}')",
    "write an expression with one group in parentheses, such as s3://models/([^ ]+): characters, "
    "classes such as [0-9a-f] and repetitions; no alternatives, no groups in groups, no lookaround",
)
_ASCII_RULE = cel("self.matches('^[ -~]*$')", "write match in printable ASCII characters")

_STEP = r"\.[A-Za-z_][A-Za-z0-9_-]*(\[name=[^\[\]\x27]+\]|\[\x27[^\[\]\x27]+\x27\])?"
FIELD_PATTERN = rf"^[A-Za-z_][A-Za-z0-9_-]*({_STEP})+$"
"""Paths from the root of an object: names, `[name=x]` for the item of a list, `['a.b/c']` for a key."""

_IN_CONTAINER = r"^spec\.template\.spec\.(containers|initContainers)\[name=[^\]]+\]\."
_FIELD_RULES = (
    cel(
        r"!self.matches(r'^(metadata|status|apiVersion|kind)(\.|$)')",
        "write the path of a value that people write, below spec or data: metadata and status say "
        "nothing about the version",
    ),
    cel(
        r"!self.matches(r'\[-?[0-9]*\]|\[\*\]')",
        "name the item of a list, such as volumes[name=model]: an index says nothing about which "
        "item it is",
    ),
    cel(
        f"self.matches(r'{FIELD_PATTERN}')",
        "write names separated by dots, [name=x] for the item of a list and ['example.com/x'] for "
        "a key with dots, such as spec.template.spec.volumes[name=model].image.reference",
    ),
)
_TEMPLATE_RULES = (
    cel(
        f"has(self.ref) || !self.path.matches(r'{_IN_CONTAINER}image$')",
        "write image: {container: NAME} for the image of a container",
    ),
    cel(
        rf"has(self.ref) || !self.path.matches(r'{_IN_CONTAINER}env\[name=[^\]]+\]\.value$')",
        "write env: {container: NAME, name: VARIABLE} for an environment variable",
    ),
    cel(
        f"has(self.ref) || !self.path.matches(r'{_IN_CONTAINER}(args|command)')",
        "write arg: {container: NAME, flag: --FLAG} for a command line argument",
    ),
)


class ImageComponent(ApiModel):
    """The image of one container."""

    container: Label = Field(description="Name of the container (or init container).")


class EnvComponent(ApiModel):
    """The literal value of one environment variable; `valueFrom` is refused."""

    container: Label = Field(description="Name of the container (or init container).")
    name: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="Name of the environment variable, for example MODEL_URI."
    )


Flag = Annotated[str, Field(min_length=2, max_length=100, pattern=r"^-{1,2}[^=\s]+$")]


class ArgComponent(ApiModel):
    """A part of the command line: the value of a flag, or what an expression finds."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "has(self.flag) != has(self.match)",
                "write flag, for example --revision, or match, an expression with one group",
            )
        )
    )

    container: Label = Field(description="Name of the container (or init container).")
    flag: Flag | None = Field(
        None,
        description="The flag with its dashes, for example --revision; in command or args as "
        "--revision=VALUE or as two words, also in the script of a shell. That it is absent is a "
        "value of its own.",
        json_schema_extra=validations(
            cel("self.startsWith('-')", "write the flag with its dashes, for example --revision")
        ),
    )
    match: Annotated[str, Field(min_length=3, max_length=256)] | None = Field(
        None,
        description="A regular expression that matches once in one of command and args; its one "
        "group is the value, for example s3://models/([^ ]+).",
        json_schema_extra=validations(_MATCH_RULE, _ASCII_RULE),
    )


_REFUSED_KINDS = ("Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


class ObjectReference(ApiModel):
    """Another object in the namespace of the ModelRollout."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                f"!(self.kind in {list(_REFUSED_KINDS)}) && "
                "!self.apiVersion.startsWith('rbac.authorization.k8s.io/')",
                "a Secret or a rule of RBAC is no version of a model: write the object that holds "
                "the version",
            ),
            cel(
                "self.kind != 'ConfigMap' || self.apiVersion != 'v1'",
                "write configMap: {name: NAME, keys: [KEY]} for the contents of a ConfigMap",
            ),
            cel(
                "!self.apiVersion.startsWith('modelrollout.dev/')",
                "an object of modelrollout.dev is no part of a model: write the object that holds "
                "the version",
            ),
        )
    )

    api_version: Annotated[
        str, Field(min_length=2, max_length=100, pattern=r"^([a-z0-9.-]+/)?v[a-z0-9]+$")
    ] = Field(description="API version of the object, for example core.openfeature.dev/v1beta1.")
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")] = (
        Field(description="Kind of the object, for example FeatureFlag.")
    )
    name: ObjectName = Field(description="Name of the object.")


class FieldComponent(ApiModel):
    """One text, number or truth value anywhere in the target, or in another object."""

    model_config = ConfigDict(json_schema_extra=validations(*_TEMPLATE_RULES))

    path: Annotated[str, Field(min_length=3, max_length=300)] = Field(
        description="The path from the root of the object; items of lists by name. For example "
        "spec.template.spec.volumes[name=model].image.reference, of an InferenceService "
        "spec.predictor.model.storageUri. Its spec.predictor, spec.transformer and spec.explainer "
        "can be restored as a whole, without their numbers of replicas.",
        json_schema_extra=validations(*_FIELD_RULES),
    )
    ref: ObjectReference | None = Field(
        None,
        description="The object, where it is not the target. It needs a right: see "
        "deploy/examples/rbac-further-kinds.yaml. Pods are not restarted for it.",
    )


class Restart(StrEnum):
    """Whether pods are restarted once the contents of a ConfigMap are restored."""

    AUTO = "Auto"
    NEVER = "Never"


ConfigMapKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]


class ConfigMapComponent(ApiModel):
    """The contents of a ConfigMap, named, or found through a volume of the pod template."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                "has(self.name) != has(self.volume)",
                "write name, the name of a ConfigMap, or volume, the volume of the pod template "
                "that mounts one with a hash in its name",
            ),
            cel(
                "!has(self.volume) || !has(self.keys) || self.keys.size() == 0",
                "leave keys out where volume is set: a map with a hash in its name is restored whole",
            ),
        )
    )

    name: ObjectName | None = Field(
        None, description="Name of the ConfigMap, in the namespace of the ModelRollout."
    )
    volume: Label | None = Field(
        None,
        description="Name of a volume of the pod template whose ConfigMap has another name for "
        "each content, as kustomize makes them; the reference is restored, and a map that was "
        "pruned is created again.",
    )
    keys: Annotated[
        tuple[ConfigMapKey, ...],
        Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(
        (), description="The keys that make up the version; empty: all of data and binaryData."
    )
    restart: Restart = Field(
        Restart.AUTO,
        description="Auto: pods are restarted once the contents are restored. Never: they read "
        "them anew by themselves.",
    )
    shared: bool = Field(
        False,
        description="Another ModelRollout names this ConfigMap too, and a rollback of one moves "
        "both: without true in both, neither writes it.",
    )


class PodTemplateComponent(ApiModel):
    """The whole pod template, as `kubectl rollout undo` restores it."""


_KINDS = ("image", "env", "arg", "field", "configMap", "http", "podTemplate")
_PRESENT = "[" + ", ".join(f"has(self.{kind})" for kind in _KINDS) + "]"


class Component(ApiModel):
    """One versioned part of the model."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            cel(
                f"{_PRESENT}.filter(x, x).size() == 1",
                "write exactly one of image, env, arg, field, configMap, http or podTemplate in a "
                "component",
            )
        )
    )

    name: Label = Field(description="Name of the component, used in messages and in the history.")
    image: ImageComponent | None = Field(None, description="The image of a container.")
    env: EnvComponent | None = Field(None, description="A literal environment variable.")
    arg: ArgComponent | None = Field(None, description="A part of the command line.")
    field: FieldComponent | None = Field(
        None, description="Any other single value of the target or of another object, by its path."
    )
    config_map: ConfigMapComponent | None = Field(
        None, description="The contents of a ConfigMap, such as a prompt or a policy."
    )
    http: HttpComponent | None = Field(
        None, description="A value that a server outside of the workload holds."
    )
    pod_template: PodTemplateComponent | None = Field(
        None,
        description="The whole pod template. Can be combined with configMap and http components "
        "only.",
    )

    @property
    def stands_in_template(self) -> bool:
        """Tell whether the value stands in the target alone."""
        elsewhere = self.field is not None and self.field.ref is not None
        return self.config_map is None and self.http is None and not elsewhere


COMPONENT_RULES: dict[str, Any] = validations(
    cel(
        "!self.exists(c, has(c.podTemplate)) || "
        "self.filter(c, !has(c.configMap) && !has(c.http)).size() == 1 && "
        "!self.exists(c, has(c.configMap) && has(c.configMap.volume))",
        "podTemplate is the whole template: list it alone or with http components and configMap "
        "components that have a name, or list image, env, arg and field components without it",
    ),
    *(
        cel(
            f"self.filter(c, has(c.{kind})).all(c, "
            f"self.exists_one(d, has(d.{kind}) && d.{place} == c.{place}))",
            f"two components name the same {place}: write each place once",
        )
        for kind, place in (
            ("image", "image"),
            ("env", "env"),
            ("arg", "arg"),
            ("field", "field"),
            ("http", "http.url"),
        )
    ),
    *(
        cel(
            f"self.filter(c, has(c.configMap) && has(c.configMap.{place})).all(c, "
            f"self.exists_one(d, has(d.configMap) && has(d.configMap.{place}) && "
            f"d.configMap.{place} == c.configMap.{place}))",
            f"two components name the same configMap.{place}: list all keys in one component",
        )
        for place in ("name", "volume")
    ),
)
"""The `json_schema_extra` of `spec.components`."""

Components = Annotated[
    tuple[Component, ...], Field(min_length=1, max_length=16, json_schema_extra=list_map())
]


def whole_predictor() -> tuple[Component, ...]:
    """Return the components of a ModelRollout of an InferenceService that lists none."""
    return (Component(name="predictor", field=FieldComponent(path="spec.predictor")),)


def whole_template() -> tuple[Component, ...]:
    """Return the components of a ModelRollout that lists none: the whole pod template."""
    return (Component(name="template", pod_template=PodTemplateComponent()),)
