"""The image as docker/Dockerfile makes it, on a Debian 12 that debootstrap made: no registry asked.

build() gives its name. The first time takes minutes; then layers and ccache are at hand.
"""

import functools
import os

from ship import BUILD, ROOT, run

BASE = "localhost/outrigger-base:test"
IMAGE = "localhost/outrigger:test"
ENVIRONMENT = {**os.environ, "BUILDAH_ISOLATION": "chroot"}


def buildah(*words, **options):
    return run("buildah", *words, env=ENVIRONMENT, **options)


@functools.cache
def base():
    """Debian 12 without more than it needs, as an image."""
    if not buildah("images", "-q", "--filter", f"reference={BASE}").strip():
        tree = BUILD / "base"
        if not (tree / "debootstrap.done").exists():
            run("rm", "-rf", tree)
            run("debootstrap", "--variant=minbase", "bookworm", tree)
            (tree / "debootstrap.done").touch()
        container = buildah("from", "scratch").strip()
        buildah("add", "--quiet", container, tree, "/")
        buildah("commit", "--quiet", "--rm", container, BASE)
    return BASE


@functools.cache
def build():
    """docker/Dockerfile, built: the image's name."""
    buildah("bud", "--isolation", "chroot", "--format", "docker", "--pull-never", "--layers",
            "--build-arg", f"BASE={base()}", "--tag", IMAGE,
            "--file", ROOT / "docker/Dockerfile", ROOT, timeout=1800)
    return IMAGE
