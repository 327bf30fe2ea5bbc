#!/usr/bin/env bash
# The whole of aftercast on a simulated fleet, by the commands a user would type.
set -euo pipefail

folder="${AFTERCAST_DEMO:-demo-workspace}"
rm -rf "$folder"
began=$SECONDS
show() { printf '\n\033[1m$ aftercast %s\033[0m\n' "$*"; aftercast "$@" --workspace "$folder"; }

printf '\n\033[1m$ aftercast init %s\033[0m\n' "$folder"
aftercast init "$folder"
show simulate --devices 500 --days 240 --seed 7
show import tables "$folder/simulated/tables"
show status
show train failure
show train churn
show backtest failure --train-until 2025-06-30 --test-from 2025-06-30 --test-until 2025-08-15 --horizon 7d --every 7d --json "$folder/backtest-failure.json"
show backtest churn --train-until 2025-05-01 --test-from 2025-05-01 --test-until 2025-07-20 --horizon 30d --every 14d --json "$folder/backtest-churn.json"
show score
show risk-list --horizon 7d --top 15
aftercast risk-list --workspace "$folder" --horizon 7d --top 100 --format xlsx --out "$folder/risk-list.xlsx" >/dev/null
aftercast risk-list --workspace "$folder" --horizon 7d --top 100 --format csv --out "$folder/risk-list.csv" >/dev/null

printf '\n\033[1mOne HTTP request, as the ticketing system sends it\033[0m\n'
python "$(dirname "$0")/demo_request.py" "$folder"

cat <<EOF

Done in $((SECONDS - began)) s. What is there now:
  $folder/risk-list.xlsx, .csv        the list a planner opens
  $folder/backtest-failure.json       the figures above for a machine (backtest-churn.json beside it)
  $folder/fleet.toml, aftercast.toml  what the fleet is, and where its parts live

Next, with the environment of this checkout (source .venv/bin/activate):
  aftercast mlflow --workspace $folder          the MLflow page: runs, metrics, plots, models
  aftercast keys create --name me --workspace $folder && aftercast serve --workspace $folder
  aftercast features describe --workspace $folder
  aftercast init my-fleet && aftercast import tables FOLDER --workspace my-fleet       your own data
EOF
