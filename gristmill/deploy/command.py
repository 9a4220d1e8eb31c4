"""Print the files of a deployment, with the queues of all plugins: `gristmill deploy`."""

from pathlib import Path

import click

_IMAGE = click.option(
    "--image", metavar="NAME:TAG", help="The image of all processes.  [default: name and version of the project here]"
)


@click.group()
def deploy() -> None:
    """Print the files that deploy the platform, with one group of workers for each queue.

    \b
    Examples:
      gristmill deploy compose > docker-compose.yaml
      gristmill deploy kubernetes --image registry.example/shop:1.2 --into deploy/k8s
    """  # noqa: D301  click's mark for text that is not to be wrapped


@deploy.command()
@_IMAGE
def compose(*, image: str | None) -> None:
    """Print a Compose file with Postgres, RabbitMQ, Valkey and all processes.

    \b
    Example:
      gristmill deploy compose > docker-compose.yaml
    """  # noqa: D301  the same
    from gristmill.deploy import files

    click.echo(files.compose(image or files.default_image()), nl=False)


@deploy.command()
@_IMAGE
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), help="Write a file each into this folder.")
def kubernetes(*, image: str | None, into: Path | None) -> None:
    """Print manifests for Kubernetes; Postgres, RabbitMQ and Valkey are yours.

    \b
    Examples:
      gristmill deploy kubernetes --image registry.example/shop:1.2
      gristmill deploy kubernetes --into deploy/k8s
    """  # noqa: D301  the same
    from gristmill.deploy import files

    manifests = files.kubernetes(image or files.default_image())
    if into is None:
        click.echo("---\n".join(manifests.values()), nl=False)
        return
    into.mkdir(parents=True, exist_ok=True)
    for name, text in manifests.items():
        (into / name).write_text(text, encoding="utf-8")
        click.echo(f"wrote {into / name}")


@deploy.command()
def procfile() -> None:
    """Print a Procfile.

    \b
    Example:
      gristmill deploy procfile > Procfile
    """  # noqa: D301  the same
    from gristmill.deploy import files

    click.echo(files.procfile(), nl=False)


@deploy.command()
def dockerfile() -> None:
    """Print a Dockerfile for the image of a project with its plugin.

    \b
    Example:
      gristmill deploy dockerfile > Dockerfile
    """  # noqa: D301  the same
    from gristmill.deploy import files

    click.echo(files.dockerfile(), nl=False)
