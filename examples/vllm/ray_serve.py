"""vLLM replicas on a Ray cluster behind one address, for a critic or a policy without rounds.

Ray Serve picks a replica for each request, so an adapter loaded at run time would reach one of
them alone: for a policy with rounds start servers of their own (`slurm.sbatch`), and name them all.

Run it on the cluster with `pip install "ray[serve,llm]"`:

    python examples/vllm/ray_serve.py /models/Qwen3-32B 8

and in the config: critic: served:/models/Qwen3-32B@http://HEAD:8000/v1
"""

from __future__ import annotations

import sys


def main(model: str, replicas: int) -> None:
    """Serves until it is stopped."""
    from ray import serve
    from ray.serve.llm import LLMConfig, build_openai_app

    config = LLMConfig(
        model_loading_config={"model_id": model, "model_source": model},
        deployment_config={
            "autoscaling_config": {"min_replicas": replicas, "max_replicas": replicas}
        },
        engine_kwargs={"generation_config": "vllm", "dtype": "bfloat16"},
    )
    serve.run(build_openai_app({"llm_configs": [config]}), blocking=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
