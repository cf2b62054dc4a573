# UPPMAX, Pelle (Slurm 25.05), as its documentation and course pages had it in August 2026. Look
# again at docs.uppmax.uu.se where a module is missing (module spider PyTorch).
#
#   sbatch -A uppmaxYYYY-X-ZZZ -p gpu --gpus-per-node=l40s:1 --cpus-per-gpu=2 \
#       -t 00:30:00 slurm/search.sbatch --site uppmax run ...
#
# l40s and h100 are in partition gpu, t4 in haswell. Without --time a job has one minute.
# Bianca (projects sensYYYYNNN) has no internet: bring a folder of wheels (pip download) and install
# with pip --no-index --find-links FOLDER.

module purge
module load PyTorch/2.6.0-foss-2024a

# An environment over the module, made once on the login node, after loading the same module:
#   python -m venv --system-site-packages .venv && .venv/bin/pip install -c constraints.txt .
# (leave torch out of the constraints there, so that the module's own is used)
source "$SLURM_SUBMIT_DIR/.venv/bin/activate"
