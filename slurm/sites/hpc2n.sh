# HPC2N, Kebnekaise, as its documentation and course pages had it in August 2026. Look again at
# docs.hpc2n.umu.se where a module is missing (module spider PyTorch).
#
#   sbatch -A hpc2n2026-NNN --gpus-per-node=1 --cpus-per-gpu=2 -C l40s \
#       slurm/search.sbatch --site hpc2n run ...
#
# -C names the GPU: v100 a40 a6000 l40s a100 h100, or nvidia_gpu for any of NVIDIA. PyPI's builds of
# torch since 2.11 leave out the V100: the module's PyTorch, below, has it.
# Put the clone and the run folders on the project's storage: the home folder has 25 GB.

module purge
module load GCC/13.3.0 OpenMPI/5.0.3 PyTorch/2.7.1-CUDA-12.6.0

# An environment over the modules, made once on the login node, after loading the same modules:
#   python -m venv --system-site-packages .venv && .venv/bin/pip install -c constraints.txt .
# (leave torch out of the constraints there, so that the module's own is used)
source "$SLURM_SUBMIT_DIR/.venv/bin/activate"
