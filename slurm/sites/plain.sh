# A site without modules: the virtual environment that `make search` makes, or the one that was
# active when you submitted. Copy this file for a site of your own: sbatch ... --site my-site.sh

if [[ -r "$SLURM_SUBMIT_DIR/.venv/bin/activate" ]]; then
    source "$SLURM_SUBMIT_DIR/.venv/bin/activate"
fi

# Instead of an environment, an image: SLURM's commands stay outside, each process goes inside.
# SHOAL_PREFIX="apptainer exec --nv --bind $SLURM_SUBMIT_DIR $SLURM_SUBMIT_DIR/shoal.sif"

# Where nodes have several networks, the one that Ray uses.
# SHOAL_INTERFACE=ib0

# Where a firewall leaves some ports open between the nodes: Ray's. A node takes one for each CPU, and
# ten; jobs that share a node share the range, so give some hundreds.
# SHOAL_PORTS=20000-20999
