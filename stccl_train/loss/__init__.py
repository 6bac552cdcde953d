"""The plug-in loss: a trained metric as a loss term of any expression-manipulation trainer.

crit = STCCLLoss.from_run("RUN").to(device)
loss = loss + crit(source, generated)
"""

from stccl_train.loss.stccl_loss import LossParts, STCCLLoss

__all__ = ["LossParts", "STCCLLoss"]
