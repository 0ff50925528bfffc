#!/usr/bin/env bash
# One vLLM server for a policy. The name it is served under is the `model:` of the run's config.
# Usage: examples/vllm/serve.sh MODEL [PORT]
set -euo pipefail
model=${1:?a folder or a hub id}
port=${2:-8000}
export VLLM_ALLOW_RUNTIME_LORA_UPDATING=True
exec vllm serve "$model" \
  --served-model-name "$model" \
  --host 127.0.0.1 --port "$port" \
  --enable-lora --max-loras 4 --max-lora-rank 64 \
  --generation-config vllm \
  --dtype bfloat16
