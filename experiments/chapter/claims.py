"""What the chapter claims, question by question, and what stands beside it."""

from __future__ import annotations

from experiments.chapter import book
from experiments.chapter.question import Question

QUESTIONS = (
    Question(
        "baseline", "The state pipeline, SB3's and ours",
        "From state, Stable-Baselines3 (SB3) solves Push in about 2M steps: 14% at 1.28M, 52% at 1.52M, 77% at 1.64M, "
        "90% at 1.84M.",
        ("book-state",),
        "`python -m benchmarks.learning --seed 0` trains SB3 with the same settings (two hours), `--plot` draws both "
        "and prints their steps to 50 and 90%.",
        (book.STATE,),
        verdict="confirmed that about 2M steps suffice, one seed each. With the book's settings SB3 stays flat for a "
        "million steps, comes to 50% of 50 episodes after 1240K and to 90% after 1520K, and has 98 and 88% in "
        "its last two evaluations; ours stays flat some 200K longer, comes to 50% after 1440K and to 90% "
        "after 1760K, and ends at {book-state:1} of 100 episodes. While exploring SB3 rises some 300K steps "
        "earlier than in the chapter (70% at 1.28M, chapter 14%), and ours follows the chapter to 1.64M (16% "
        "at 1.28M, 52% at 1.52M, 75% at 1.64M). One seed each cannot tell the two learners apart. With the "
        "preset `push` ours comes to 90% after 20K to 28K (five seeds). Weakness: our curve is of an earlier "
        "version (commit d0c1359).",
        unmatched="SB3 has its own random streams, so seeds do not pair.",
    ),
    Question(
        "step-0", "Step 0: the baseline gap",
        "The state pipeline with NatureCNN on pixels stays at 5 to 8% to 8M steps. The first layer, 8x8 with stride 4, "
        "destroys the block, which is about 5 pixels wide (3 in its view, as we measure it).",
        ("step-0", "step-1", "encoder-nature", "step-2"),
        "`--encoder` and `--pooling` on their own: `encoder-nature` has NatureCNN's convolutions, and all else is "
        "step 2's.",
        (book.NATURE,),
        verdict="the number is not reproduced on our learner: NatureCNN with SB3's pooling and routing ends at "
        "{step-0:3}, as well as step 2. The cause stays open: these networks are told the block's position, "
        "and do as well on another episode's images, so they cannot say whether the first layer destroys the "
        "block. They do say that a network that sees nothing need not stay at 5 to 8%. Where the images are "
        "needed, on Reach, NatureCNN's convolutions learn to see ({reach-nature:1}, one seed). Weakness: our "
        "learner, 48K steps; the chapter's own, to 8M, has not run.",
        unmatched="step-0 is NatureCNN as SB3 has it: its pooling, no LayerNorm and SB3's routing, too.",
    ),
    Question(
        "step-1", "Step 1: the right eyes",
        "3x3 convolutions of strides 2, 1, 1, 2 with SpatialSoftmax and proprioception, and SB3's gradient routing, "
        "stay at 2 to 14%: architecture is necessary but not sufficient.",
        ("step-1", "step-0", "step-2"),
        "`--routing`: `separate` is SB3's default, `critic` is step 2.",
        (book.EYES,),
        verdict="the number is not reproduced on our learner: {step-1:3} with SB3's routing. The cause stays open: "
        "these networks are told the block's position, and do as well on another episode's images, so they "
        "cannot say whether the right eyes are necessary or sufficient. Weakness: our fast convolutions in "
        "the place of the chapter's, which `encoder-manipulation` has.",
    ),
    Question(
        "step-2", "Step 2: the right gradient flow",
        "With the encoder in the critic's optimizer and detached features for the actor, success lifts at about 2M "
        "steps and ends at 95% at 4.2M: routing is the difference.",
        ("step-2", "step-1", "routing-actor", "routing-both"),
        "`python -m benchmarks.routing` prints which optimizer moves how much of the encoder, ours and SB3's.",
        (book.FLOW,),
        verdict="on Push the cause stays open: the critic's routing ends at {step-2:3}, SB3's (step 1) at {step-1:3}, "
        "the actor's loss alone at {routing-actor:3}, both losses at {routing-both:3}, three seeds each. All "
        "four do as well on another episode's images, so none says what routing does for seeing. On Reach "
        "from images, three seeds each, half of the claim shows: an encoder that the actor's loss alone "
        "trains sees next to nothing after 16K steps ({reach-actor:3}; twice the steps have not run). That is "
        "not for want of the critic's gradient alone: where the critic reads the state, the same routing "
        "comes to {reach-asymmetric:1} (one seed). But three seeds do not tell step 2's routing "
        "({reach-cell-a:3}) from SB3's ({reach-separate:3}) or from both losses ({reach-both:3}). See the "
        "factorial where the images are needed, and phase B, where the actor's loss alone does see Push. "
        "Weakness: our learner, which solves the chapter's observations without its images.",
    ),
    Question(
        "step-3", "Step 3: the patience tax",
        "Representation learning costs two to four times the steps of learning from state, whose curve turns at 1.28M. "
        "A falling critic loss with flat success is failure, rising losses are health, and stop rules made for state "
        "kill pixel runs too early.",
        ("step-3", "twin-blind", "twin-state"),
        "`twin-blind` sees the same numbers as step 2 without its images: the difference is what the images cost.",
        (book.STATE, book.FLOW),
        verdict="the price of seeing is untested on our learner, because step 2 does not use its images: it ends at "
        "{step-2:3} and comes to 50% after 24K to 28K steps; its twins without images end at {twin-blind:3} "
        "(the same vectors) and {twin-state:3} (all numbers of the state). But shown another episode's images "
        "it does as well. Where the chapter's network did not look either, its late rise has another reason "
        "than the price of seeing. The rule of thumb holds in one direction: while success was flat, only "
        "three runs that learned had a falling critic loss (`eyes-shift` seed 1 at a quarter of its budget, "
        "`routing-actor` seed 1 at three eighths, `reach-asymmetric` at half), but many that failed had a "
        "rising one (first table below). What tells them apart is which loss rises: the TD loss of "
        "transitions with their original goals. It rose more in a run that learned than in one that failed "
        "for 78 to 84% of pairs; the loss as a whole for 65 to 76% (second table). Our signs of failure "
        "(training/verdict.py) are built on it: low or not rising TD loss of original goals, dormant critic "
        "units, and Q above what rewards allow. Of the 12 runs that learned and were still flat at half of "
        "the budget a stop rule by these signs ends one, `reach-spr`, which came to 52%. It is one of five "
        "that came after the thresholds were chosen. Of the later runs that failed they call six healthy at "
        "every moment, `no-proprio`, `honest-cell-b`, `eyes-critic`, `eyes-goal`, `eyes-spr` and `eyes-curl`, "
        "which came to 23.5%, and three at half of their budgets, `honest-cell-c`, `eyes-frozen-mobilenet` "
        "and `reach-curl`, which ended at 45%: a critic may be surprised for long by goals that its eyes "
        "cannot tell apart. Or the budget was too short: `eyes-shift` was as flat for two thirds of it, its "
        "critic loss fell, and it ended at {eyes-shift:2}. In all they are wrong more often than the 1 of 20 "
        "that we wanted. Weakness: our learner; the thresholds were chosen with most of these runs in sight.",
    ),
    Question(
        "step-4", "Step 4: the DrQ surprise",
        "The same with random shifts of 4 pixels stays at 3 to 6%: augmentation that moves pixels destroys "
        "SpatialSoftmax's coordinates (by 0.10 where they span 0.25 to 0.50), twice in the Bellman target.",
        ("step-4", "step-2"),
        "`python -m analysis.feature_stats 'chapter --shift-pad 4'` prints how far a shift moves the features, "
        "beside how far scenes differ.",
        (book.SHIFTED,),
        verdict="the number is not reproduced on our learner where the networks are told the block's position: "
        "{step-4:3} with shifts, {step-2:3} without. They do as well on another episode's images there, so "
        "the cause stays open on Push. Where the images are needed, on Reach, the number is as the chapter "
        "says: {reach-cell-d:3} with shifts, {reach-cell-a:3} without (three seeds each; the factorial where "
        "the images are needed). But shifts cost flat pooling, too: {reach-cell-c:3} in the place of "
        "{reach-cell-b:3}, most of it in one seed. On Push without the block's position it is the other way "
        "round: with flat pooling and two close cameras `eyes-shift` comes to {eyes-shift:2} (two seeds), and "
        "`eyes-critic`, the same without shifts, to {eyes-critic:1} (one seed). Moving coordinates are "
        "therefore not the whole explanation. The size that the chapter gives, 0.10, is not ours: at "
        "temperature 1 an untrained SpatialSoftmax is all but uniform, and a shift of 4 pixels moves its "
        "features by 0.0002. What may matter is the ratio: a shift moves them 3.1 times as far as two scenes "
        "differ, flat pooling 2.0 times (table below, measured on Push, one seed, not on Reach). And D is "
        "slow rather than dead: with twice the budget it comes to {reach-cell-d-twice:1} on Reach (one seed). "
        "The chapter stopped its run early.",
    ),
    Question(
        "factorial", "The factorial: shifts and pooling",
        "Four cells: A SpatialSoftmax without shifts, B flat without, C flat with, D SpatialSoftmax with. B and C were "
        "never finished. A far above D with B, C and D alike: SpatialSoftmax needs clean coordinates. B far above D, "
        "with A, C and D alike: flat without shifts is best. A and B alike, far above C and D: shifts are the poison. "
        "C far above D, with A, B and D alike: SpatialSoftmax is. All flat: it is something else.",
        ("cell-a", "cell-b", "cell-c", "cell-d"),
        "`--shift-pad 0` or `4`, `--pooling spatial-softmax` or `flat`.",
        verdict="none of the five patterns: A {step-2:3}, B {cell-b:3}, C {cell-c:3}, D {step-4:3}, three seeds each. "
        "All are alike, and all learn. The last column gives the reason: all four do as well on another "
        "episode's images. On the chapter's observations, where the block's position is among the inputs, "
        "this factorial cannot tell shifts from pooling; the next question asks it where the images are "
        "needed.",
    ),
    Question(
        "seeing", "The factorial where the images are needed",
        "In Push the chapter's networks are told where the block is, and need not look. In Reach from images and the "
        "goal alone nothing tells them where the hand is. Which cells learn there, and does the temperature, the "
        "encoder or the routing matter?",
        ("reach-cell-a", "reach-cell-b", "reach-cell-c", "reach-cell-d", "reach-cell-d-twice", "reach-temperature-0.1",
         "reach-nature", "reach-actor", "reach-actor-twice", "reach-separate", "reach-both"),
        "`python -m experiments.run reach-cell-a --print-commands` prints the flags: the preset `chapter` on Reach "
        "from images and the goal, 16K steps, and two settings of our pixel presets, four goals and four updates for "
        "each encoded minibatch.",
        whose="Our question",
        unmatched="What ends in -twice has twice the steps.",
        verdict="flat pooling without shifts is best: B {reach-cell-b:3}, C (flat, shifts) {reach-cell-c:3}, A "
        "(SpatialSoftmax) {reach-cell-a:3}, D (SpatialSoftmax, shifts) {reach-cell-d:3}, three seeds each. That "
        "is nearest to the chapter's second pattern (B far above D), but A and C are not like D: either of "
        "the two changes costs much, and both together nearly all. B comes to 50% after 5K to 9K steps; of "
        "the other cells only two seeds of C do within the 16K. From a temperature of 0.1 A comes to "
        "{reach-temperature-0.1:2} (two seeds), with NatureCNN's convolutions to {reach-nature:1} (one seed). "
        "Here no policy does anything without its own images. A, and C's third seed, do not keep what they "
        "reach: the hand is at the goal at some step in 86 to 100% of episodes, at the end in 11 to 43%. D "
        "is slow rather than flat: with twice the budget it comes to {reach-cell-d-twice:1} (one seed). "
        "Routing, with cell A's eyes: the critic alone {reach-cell-a:3}, an encoder each as in SB3 "
        "{reach-separate:3}, both losses {reach-both:3}, the actor alone {reach-actor:3}. After 16K steps the "
        "actor's loss alone has taught its encoder next to nothing; `reach-actor-twice`, which has not run, "
        "would tell whether it fails or is slow. Three seeds do not tell the other three apart. Weakness: "
        "Reach, not Push, and our learner.",
    ),
    Question(
        "asymmetric", "Phase B: a critic that reads the state",
        "If every cell of the factorial stays flat, it is something else: then let the critic read the state and the "
        "actor alone see (asymmetric actor-critic). The chapter names this step and did not take it.",
        ("eyes-asymmetric", "push-pixels"),
        "`--critic-obs state --routing actor`, from pixels or not.",
        verdict="it works where the images are needed: on honest Push the actor's loss alone trains an encoder whose "
        "policy ends at {eyes-asymmetric:3} after 48K steps (three seeds) and does next to nothing with "
        "another episode's images. Our own way, the regression of the block's position, ends at "
        "{push-pixels:5} (five seeds), some 8K steps sooner. On Reach the same routing sees next to nothing "
        "with a critic that has to see ({reach-actor:3}) and comes to {reach-asymmetric:1} (one seed) with "
        "one that reads the state. So there the actor's gradient was no poison; it wanted a critic that "
        "knows. Weakness: our learner, our two close cameras and flat pooling, and the same routing with a "
        "critic that has to see has not run on honest Push.",
        unmatched="push-pixels differs in what reaches the encoder, and its networks read the estimate and its motion.",
    ),
    Question(
        "temperature", "Where SpatialSoftmax starts",
        "The chapter's SpatialSoftmax starts at temperature 1. The weights over a map of an untrained encoder are then "
        "all but uniform, and a shift moves the features much farther than scenes differ: 3 times as far with our "
        "convolutions and one image (table of step 4). Is that what makes steps 3 and 4?",
        ("temperature-1", "temperature-0.3", "temperature-0.1", "temperature-0.03"),
        "`--softmax-temperature`.",
        whose="Our question",
        verdict="open on Push, where only temperature 1 has run and the images are not used. On Reach, where they "
        "are needed, a start at 0.1 ends at {reach-temperature-0.1:2} (two seeds) beside {reach-cell-a:3} from 1 "
        "(three).",
    ),
    Question(
        "encoders", "Which convolutions",
        "NatureCNN's large strides lose the block; 3x3 convolutions keep it.",
        ("encoder-manipulation", "encoder-nature", "encoder-fast"),
        "`--encoder`.",
        verdict="open: no run of it on Push is finished yet. On Reach from images NatureCNN's convolutions do better "
        "than our fast ones under the same SpatialSoftmax: {reach-nature:1} (one seed) against {reach-cell-a:3}. "
        "But a hand is larger than a block.",
    ),
    Question(
        "controls", "Controls without pixels",
        "16 numbers (proprioception, achieved and desired goal) without pixels stay at 0% to 1.67M steps: a POMDP. The "
        "chapter also trained on dense rewards and without hindsight.",
        ("book-blind", "push-blind", "push-no-her", "push-dense"),
        "`--obs blind` on `push` and on `book-state`; `--her-strategy none`; `--env-id FetchPushDense-v4`.",
        (book.BLIND,),
        verdict="half contradicted: the 16 numbers are enough. With our recipe push-blind ends at {push-blind:3} after "
        "42K steps (100 episodes each). Whether they are with the book's settings, at 2M steps, is open: "
        "book-blind has not run. Without hindsight little is learned: from the full state {push-no-her:2} (two "
        "seeds; 98.5 to 99.8% with it), and on dense rewards {push-dense:3}.",
        unmatched="book-blind has the book's settings and 2M steps, the others our recipe and 42K. "
        "push-no-her and push-dense see the full state; push-dense has a lower temperature, because dense "
        "rewards are smaller.",
    ),
    Question(
        "sidebars", "Sidebars",
        "The chapter also varied LayerNorm and Tanh after the pooling, four stacked images, proprioception, CoordConv, "
        "rendering at 480, the goal's marker and larger shifts; and its run was resumed with an empty replay.",
        ("step-2", "no-feature-norm", "stack-4", "no-proprio", "no-proprio-twice", "proprio-minimal", "coord-conv",
         "render-480", "goal-marker", "pad-8", "lost-replay"),
        "Each changes step 2 by a flag or two: `python -m experiments.chapter` lists them.",
        unmatched="no-proprio-twice has twice the steps.",
        verdict="one seed each, beside {step-2:3} of step 2. Without proprioception {no-proprio:1}: the images would "
        "have to say where the gripper is, and after 48K steps step 2's eyes do not; whether they fail or "
        "are slow, `no-proprio-twice`, which has not run, would tell. With the gripper's and fingers' "
        "positions but not their velocities {proprio-minimal:1}. Stopped half-way and resumed with an empty "
        "replay it ends at {lost-replay:1}: the lead that it had was kept (22% before, 32% at the next "
        "evaluation), and the rest came later. The other sidebars change eyes that are not used, and are "
        "asked on Reach instead (next question).",
    ),
    Question(
        "seeing-sidebars", "Sidebars where the images are needed",
        "Step 2 does as well on another episode's images, so a change of its eyes can show little there. What do the "
        "sidebars change in Reach from images alone?",
        ("reach-cell-a", "reach-no-feature-norm", "reach-stack-4", "reach-coord-conv", "reach-render-480",
         "reach-goal-marker", "reach-pad-8", "reach-no-feature-norm-twice", "reach-coord-conv-twice",
         "reach-pad-8-twice"),
        "Each changes `reach-cell-a` by a flag or two.",
        unmatched="What ends in -twice has twice the steps.",
        whose="Our question",
        verdict="one seed each, beside {reach-cell-a:3} of three seeds of `reach-cell-a`. Below all three: without "
        "LayerNorm and Tanh {reach-no-feature-norm:1}, with CoordConv {reach-coord-conv:1}, rendered at 480 with "
        "multisampling {reach-render-480:1}, with shifts of 8 pixels {reach-pad-8:1} (shifts of 4: "
        "{reach-cell-d:3}). Among the three: four stacked images {reach-stack-4:1}, the marker of the original "
        "goal {reach-goal-marker:1}. Weakness: one seed against a spread of 32 points, and our learner on "
        "Reach.",
    ),
    Question(
        "probes", "Probes, one at a time",
        "The chapter changed learning rate, updates, k, environments, discount and temperature one at a time, and the "
        "first three together.",
        ("step-2", "probe-lr", "probe-updates", "probe-k", "probe-envs", "probe-gamma", "probe-alpha", "probe-three"),
        "Each changes one setting of step 2, the last one three of them.",
        verdict="one seed each, beside {step-2:3} of step 2: three times the learning rates {probe-lr:1}, k = 8 "
        "{probe-k:1}, twice the environments {probe-envs:1}, a discount of 0.98 {probe-gamma:1}, twice the "
        "temperature {probe-alpha:1}, twice the updates {probe-updates:1}, learning rates, updates and k "
        "together {probe-three:1}. In the end no probe helps or harms by more than one seed can by chance; "
        "both runs with twice the updates are ahead early (32% alone and 30% with the others after 12K "
        "steps; step 2 has 6 to 10%), so that lead may be the updates'.",
    ),
    Question(
        "honest", "The same without the block's position",
        "The chapter's networks are told where the block is. Does what holds there hold where they have to see it?",
        ("honest-step-2", "honest-step-4", "honest-cell-b", "honest-cell-c", "honest-step-1", "honest-routing-actor",
         "honest-routing-both"),
        "`--obs honest`.",
        whose="Our question",
        verdict="open: cells A, B and C end at {honest-step-2:1}, {honest-cell-b:1} and {honest-cell-c:1} (one seed "
        "each, 100 episodes), where the same networks come to 77% and more once they are told the block's "
        "position. All three are flat for 48K steps, so nothing tells them apart. The budget may be too "
        "short: from two close cameras, with eight updates of actor and critics for each encoded minibatch "
        "and four times the batch, flat pooling with shifts leaves the ground after 32K steps and comes to "
        "{eyes-shift:2} (two seeds), and without shifts it has not by 48K ({eyes-critic:1}, one seed).",
    ),
)  # fmt: skip
