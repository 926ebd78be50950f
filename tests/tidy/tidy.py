"""The house's rules as a test: which folder may include which, and what stands nowhere.

Run with the root of the tree; prints each breach as FILE:LINE and exits 1.
"""

import pathlib
import re
import sys

# folder -> folders or headers it may include (its own folder always).
ALLOWED = {
    "proxy/base": [],
    "config": ["proxy/base"],
    "proxy/policy": ["proxy/base", "config/model.h"],
    "proxy/http": ["proxy/base"],
    "proxy/net": ["proxy/base"],
    "proxy/exchange": ["proxy/base", "proxy/policy", "proxy/http", "config/model.h"],
    "proxy/upstream": ["proxy/base", "proxy/policy", "proxy/http", "proxy/net", "config/model.h",
                       "proxy/exchange/ports.h", "proxy/exchange/live_state.h",
                       "proxy/exchange/route_state.h", "proxy/exchange/events.h",
                       "proxy/exchange/breaker_report.h"],
    "proxy/downstream": ["proxy/base", "proxy/policy", "proxy/http", "proxy/net", "config/model.h",
                         "proxy/exchange"],
    "proxy/metrics": ["proxy/base", "proxy/exchange/record.h", "proxy/exchange/live_state.h",
                      "proxy/exchange/failure.h", "proxy/policy"],
    "proxy/access_log": ["proxy/base", "config/model.h", "proxy/exchange/record.h",
                         "proxy/exchange/failure.h", "proxy/policy"],
    "proxy/lint": ["proxy/base", "config", "proxy/policy", "proxy/exchange", "proxy/upstream"],
    "proxy/simulation": ["proxy/base", "config", "proxy/policy", "proxy/exchange", "proxy/upstream",
                         "proxy/http"],
    "proxy/admin": ["proxy/base", "config/model.h", "proxy/http", "proxy/net", "proxy/metrics",
                    "proxy/exchange/record.h", "proxy/exchange/live_state.h", "proxy/exchange/events.h",
                    "proxy/policy"],
}
# Of upstream/, only these see net: the rest wakes through ports, so that the simulation runs it.
UPSTREAM_WITH_NET = {"http1_connection.h", "http1_connection.cc", "discovery.h", "discovery.cc",
                     "health_checker.h", "health_checker.cc", "health_probe.h", "health_probe.cc"}
# Library headers and the one place that may see them.
ONLY_IN = {
    r"<uv\.h>": r"proxy/net/",
    r"llhttp\.h": r"proxy/http/parser\.cc|tests/http/",
    r"<yaml-cpp/": r"config/yaml_reader\.cc",
    r"<prometheus/": r"proxy/metrics/|tests/metrics/",
    r"<spdlog/": r"proxy/base/log\.cc",
}
BANNED = [
    (r"\bstd::regex\b", "", "RE2 instead of std::regex"),
    (r"\b(steady_clock|system_clock|clock_gettime)\b", r"proxy/(net|daemon|worker|metrics|base|commands)|proxy/access_log/writer|proxy/upstream/discovery|tests/",
     "a clock outside net: time is an argument"),
    (r"\bsleep_for\b|\busleep\(|\bsleep\(", r"proxy/commands/|tests/(bench|e2e)", "a sleep where a clock can be moved"),
    (r"\b(TODO|FIXME|XXX)\b", "", "something left undone"),
    (r"\busing namespace std;", "", "using namespace std"),
]
TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "README.md", "dev", "proxy", "config", "tests",
             "deploy", "helm", "docker", "build"}
MAX_COLUMNS = 100
LONG_LINES = {"proxy/admin/dashboard.cc"}  # a page of HTML as it is served
BAD_NAMES = re.compile(r"(^|_)(util|utils|common|core|manager|helper|impl)(_|\.|$)")


def folder_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "proxy" and len(parts) > 2 else parts[0]


def allowed(folder, include):
    if folder not in ALLOWED:
        return True
    if include.startswith(folder + "/"):
        return True
    return any(include == rule or include.startswith(rule + "/") for rule in ALLOWED[folder])


def check_file(path, text):
    folder, name = folder_of(path), path.rsplit("/", 1)[-1]
    if BAD_NAMES.search(name):
        yield 1, f"{name}: a name that says nothing"
    in_sources = not path.startswith("tests/")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_COLUMNS and path not in LONG_LINES:
            yield number, f"over {MAX_COLUMNS} columns"
        include = re.match(r'#include "([^"]+)"', line)
        if include and in_sources and not allowed(folder, include[1]):
            yield number, f"{folder} may not include {include[1]}"
        if (include and folder == "proxy/upstream" and include[1].startswith("proxy/net/")
                and name not in UPSTREAM_WITH_NET):
            yield number, "only upstream's connection and discovery see net"
        if re.match(r"#include", line):
            for header, where in ONLY_IN.items():
                if re.search(header, line) and not re.match(where, path):
                    yield number, f"{header} belongs to {where}"
        code = line.split("//")[0] if "TODO" not in line else line
        for pattern, where, why in BANNED:
            if re.search(pattern, code) and not (where and re.match(where, path)):
                yield number, why
    if path.endswith(".h") and "#pragma once" not in text:
        yield 1, "no #pragma once"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    breaches = []
    count = 0
    for top in ("proxy", "config", "tests"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix not in (".h", ".cc"):
                continue
            path = file.relative_to(root).as_posix()
            count += 1
            breaches += [f"{path}:{line}: {what}" for line, what in check_file(path, file.read_text())]
    for entry in root.iterdir():
        if not entry.name.startswith(".") and entry.name not in TOP_LEVEL:
            breaches.append(f"{entry.name}:1: the top level holds nothing else")
    print("\n".join(breaches) or f"{count} files keep the rules of the house")
    return 1 if breaches or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
