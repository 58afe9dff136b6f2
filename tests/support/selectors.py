"""Plain selectors of all shapes, and what looks like one."""

SELECTORS = {
    "name": "requests_total",
    "recorded": "job:requests_total:sum",
    "no-matchers": "requests_total{}",
    "only-matchers": '{__name__="requests_total", code=~"5.."}',
    "single-quotes": "requests_total{ code = '500' , }",
    "backticks": "requests_total{path=`C:\\x`}",
    "quoted-name": '{"http.requests", "service.name"="x"}',
    "parentheses-in-strings": 'requests_total{path=~"/(a|b){2}\\\\[x\\\\]"}',
    "quotes-in-strings": 'requests_total{path="a\\"} + {", b="x"}',
    "lines": 'requests_total{\n  app="x",\n  code!~"2.."\n}\n',
    "placeholders": (
        'r_total{a="{{namespace}}/{{ name }}", b="{{workload}}", c="{{podTemplateHash}}", '
        'd="{{revision}}", e="{{component.model-2}}", f="{{component.model.tag}}"}'
    ),
}

NO_SELECTORS = {
    "function": "sum(requests_total)",
    "range": "requests_total[5m]",
    "offset": "requests_total offset 5m",
    "at": "requests_total @ 1700000000",
    "sum-of-two": "requests_total + errors_total",
    "two": 'requests_total{a="b"} or errors_total',
    "number": "5",
    "blank": " ",
    "unclosed": 'requests_total{app="x"',
    "unclosed-string": 'requests_total{app="x}',
    "closed-twice": 'requests_total{app="x"}}',
}
