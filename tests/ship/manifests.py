"""Kubernetes manifests: read strictly, and checked against the types of the API without a cluster.

Each document becomes an object literal of its interface (IDeployment, …) and tsc looks at all of them
at once: an unknown field, a missing one or one of a wrong type is an error.
"""

import json
import re
import subprocess
import tempfile

import yaml

import tools
from ship import BUILD


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a key twice is an error, a date is a text."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {twice}", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def load(text):
    """The one document of a text."""
    return yaml.load(text, _Loader)


def load_all(text):
    """The documents of a text, without empty ones."""
    return [document for document in yaml.load_all(text, _Loader) if document]


def find(documents, kind, name=None):
    """The one document of a kind (and name)."""
    found = [each for each in documents
             if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    assert len(found) == 1, f"{len(found)} documents {kind} {name or ''}"
    return found[0]


def errors(named):
    """What is wrong with {name: [document…]}: a list of lines, empty where all is well."""
    script, starts, seen, imports = [], [], set(), []
    for name, documents in named.items():
        for document in documents:
            literal = json.dumps(document, indent=1)
            if literal in seen:
                continue
            seen.add(literal)
            group, kind = document["apiVersion"], document["kind"]
            package = ("@kubernetes-models/prometheus-operator/" if "coreos" in group else
                       "kubernetes-models/")
            line = f'import type {{ I{kind} }} from "{package}{group}/{kind}";'
            if line not in imports:
                imports.append(line)
            starts.append((len(script), f"{name}: {kind} {document['metadata'].get('name')}"))
            script += f"export const d{len(starts)}: I{kind} = {literal};".split("\n")
    assert starts, "no documents"
    place = tools.types()
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        with open(f"{scratch}/check.ts", "w", encoding="utf-8") as out:
            out.write("\n".join(imports + script))
        with open(f"{scratch}/tsconfig.json", "w", encoding="utf-8") as out:
            json.dump({"compilerOptions": {
                "strict": True, "noEmit": True, "skipLibCheck": True, "types": [],
                "module": "preserve", "moduleResolution": "bundler", "target": "esnext",
                "preserveSymlinks": True}, "files": ["check.ts"]}, out)
        # Imports are looked for upwards from the script.
        subprocess.run(["ln", "-s", f"{place}/node_modules", f"{scratch}/node_modules"], check=True)
        done = subprocess.run(["node", f"{place}/node_modules/typescript/bin/tsc", "-p", scratch,
                               "--pretty", "false"], capture_output=True, text=True, timeout=300,
                              check=False)
    wrong = []
    for line in done.stdout.splitlines():
        at = re.match(r".*check\.ts\((\d+),\d+\): error TS\d+: (.*)", line)
        if not at:
            if line.startswith("error"):
                wrong.append(line)
            continue
        row = int(at[1]) - 1 - len(imports)
        where = [what for start, what in starts if start <= row][-1:] or ["?"]
        source = script[row].strip() if row >= 0 else imports[int(at[1]) - 1]
        wrong.append(f"{where[0]}: {source}: {at[2]}")
    if done.returncode and not wrong:
        wrong = [done.stdout + done.stderr]
    return wrong
