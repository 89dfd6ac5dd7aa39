"""What the chapter claims, question by question, and what stands beside it."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.chapter import book
from experiments.chapter.book import BookCurve

OPEN = "open: no run of it is finished yet."


@dataclass(frozen=True)
class Question:
    """A step, table or sidebar of the chapter."""

    name: str
    title: str
    claim: str
    experiments: tuple[str, ...]  # that are compared; the first is what the claim is about
    change: str  # what to try to see for oneself
    book: tuple[BookCurve, ...] = ()
    verdict: str = OPEN  # confirmed, contradicted or open, with the reason and its weakness
    whose: str = "The chapter"  # claim
    unmatched: str = ""  # in what else the runs differ


QUESTIONS = (
    Question(
        "step-0", "Step 0: the baseline gap",
        "The state pipeline with NatureCNN on pixels stays at 5 to 8% to 8M steps. The first layer, 8x8 with stride 4, "
        "destroys the block, which is about 5 pixels wide (3 in its view, as we measure it).",
        ("step-0", "step-1", "encoder-nature", "step-2"),
        "`--encoder` and `--pooling` on their own: `encoder-nature` has NatureCNN's convolutions, and all else is "
        "step 2's.",
        (book.NATURE,),
        verdict="contradicted on our learner where the networks are told the block's position: NatureCNN with SB3's "
        "pooling and routing ends at 91, 95, 90%, as well as step 2. It does not look: another episode's images do as "
        "well. So these runs cannot say whether the first layer destroys the block. They do say that a network that "
        "sees nothing need not stay at 5 to 8%: the block's position is among the inputs, and this learner uses it. "
        "Where the images are needed, on Reach, NatureCNN's convolutions learn to see (92%, one seed). Weakness: our "
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
        verdict="contradicted on our learner where the networks are told the block's position: 91, 94, 86% with SB3's "
        "routing. Another episode's images do as well: the eyes are not used, so these runs cannot say whether the "
        "right ones are necessary or sufficient. Weakness: our fast convolutions in the place of the chapter's, which "
        "`encoder-manipulation` has.",
    ),
    Question(
        "step-2", "Step 2: the right gradient flow",
        "With the encoder in the critic's optimizer and detached features for the actor, success lifts at about 2M "
        "steps and ends at 95% at 4.2M: routing is the difference.",
        ("step-2", "step-1", "routing-actor", "routing-both"),
        "`python -m benchmarks.routing` prints which optimizer moves how much of the encoder, ours and SB3's.",
        (book.FLOW,),
        verdict="contradicted on our learner where the networks are told the block's position: the critic's routing "
        "ends at 92, 90, 87%, SB3's (step 1) at 91, 94, 86%, and neither looks at its images. On Reach from images, "
        "three seeds each, half of the claim holds: an encoder that the actor's loss alone trains sees next to "
        "nothing (2, 1, 1%). But three seeds do not tell step 2's routing (43, 29, 11%) from SB3's (21, 19, 12%) or "
        "from both losses (21, 90, 23%). See the factorial where the images are needed. Weakness: on Push the other "
        "two routings have not run.",
    ),
    Question(
        "step-3", "Step 3: the patience tax",
        "Representation learning costs two to four times the steps of learning from state, whose curve turns at 1.28M. "
        "A falling critic loss with flat success is failure, rising losses are health, and stop rules made for state "
        "kill pixel runs too early.",
        ("step-2", "twin-blind", "twin-state"),
        "`twin-blind` sees the same numbers as step 2 without its images: the difference is what the images cost.",
        (book.STATE, book.FLOW),
        verdict="the tax is untested on our learner, because step 2 does not see; half of the rule of thumb holds. "
        "Step 2 takes no more steps than its twins without images: 92, 90, 87% against 60, 86, 88% for the same "
        "vectors and 60, 58, 68% for all numbers of the state. But shown another episode's images step 2 does as "
        "well, and a linear map reads the block's position from its features with an error of 21 to 29 cm (last row "
        "of each seed). Its success owes nothing to seeing. Where the chapter's network did not look either, its late "
        "rise has another reason than the price of seeing. The chapter's rule (a falling critic loss is failure, a "
        "rising one is health), applied while success was flat, calls no healthy run failing, but more than half of "
        "the failing ones of which it says anything healthy (counts below). Our three signs were wrong for 1 of the "
        "34 runs that were in sight when their thresholds were chosen. All later runs that they get wrong are called "
        "healthy, though the mean of their last two evaluations is below 50%. Weakness: our learner.",
    ),
    Question(
        "step-4", "Step 4: the DrQ surprise",
        "The same with random shifts of 4 pixels stays at 3 to 6%: augmentation that moves pixels destroys "
        "SpatialSoftmax's coordinates (by 0.10 where they span 0.25 to 0.50), twice in the Bellman target.",
        ("step-4", "step-2"),
        "`python -m analysis.feature_stats 'chapter --shift-pad 4'` prints how far a shift moves the features, "
        "beside how far scenes differ.",
        (book.SHIFTED,),
        verdict="contradicted on our learner where the networks are told the block's position: 85, 93, 88% with "
        "shifts, 92, 90, 87% without. They do not read the images there: another episode's do as well. Where the "
        "images are needed, on Reach, it is as the chapter says: 1, 9, 1% with shifts, 43, 29, 11% without (three "
        "seeds each; the factorial where the images are needed). But shifts cost flat pooling, too: 76, 90, 12% in "
        "the place of 99, 97, 97%, most of it in one seed. So coordinates that move are not all of it. For "
        "SpatialSoftmax the explanation fits: at temperature 1 a shift of 4 pixels moves its features three times as "
        "far as two scenes differ before training (table below). And it is slow rather than dead: with twice the "
        "budget D comes to 27% on Reach (one seed). The chapter stopped its run early.",
    ),
    Question(
        "factorial", "The factorial: shifts and pooling",
        "Four cells: A SpatialSoftmax without shifts, B flat without, C flat with, D SpatialSoftmax with. B and C were "
        "never finished. A far above D with B, C and D alike: SpatialSoftmax needs clean coordinates. B far above D, "
        "with A, C and D alike: flat without shifts is best. A and B alike, far above C and D: shifts are the poison. "
        "C far above D, with A, B and D alike: SpatialSoftmax is. All flat: it is something else.",
        ("cell-a", "cell-b", "cell-c", "cell-d"),
        "`--shift-pad 0` or `4`, `--pooling spatial-softmax` or `flat`.",
        verdict="no row of the table holds: A 92, 90, 87%, B 89, 93, 77%, C 89, 90, 88%, D 85, 93, 88%, three seeds "
        "each: all alike, and all learn. The reason is in the last column: all four do as well on another episode's "
        "images. On the chapter's observations, where the block's position is among the inputs, this factorial cannot "
        "tell shifts from pooling; the next question asks it where the images are needed.",
    ),
    Question(
        "seeing", "The factorial where the images are needed",
        "In Push the chapter's networks are told where the block is, and need not look. In Reach from images and the "
        "goal alone nothing tells them where the hand is. Which cells learn there, and does the temperature, the "
        "encoder or the routing matter?",
        ("reach-cell-a", "reach-cell-b", "reach-cell-c", "reach-cell-d", "reach-cell-d-twice", "reach-temperature-0.1",
         "reach-nature", "reach-actor", "reach-separate", "reach-both"),
        "`python train.py chapter --env-id FetchReach-v4 --obs pixels-only`, with the flags of a cell.",
        whose="Our question",
        unmatched="reach-cell-d-twice has twice the steps.",
        verdict="flat pooling without shifts is best: B 99, 97, 97%, C (flat, shifts) 76, 90, 12%, A (SpatialSoftmax) "
        "43, 29, 11%, D (SpatialSoftmax, shifts) 1, 9, 1%, three seeds each. That is nearest to the chapter's second "
        "row (B far above D), but A and C are not like D: either of the two changes costs much, and both together "
        "nearly all. B is at 50% after 5K to 9K steps, the others not by 16K, but for two seeds of C. From a "
        "temperature of 0.1 A comes to 59, 59% (two seeds), with NatureCNN's convolutions to 92% (one seed). Here no "
        "policy does anything without its own images. What A and C reach they do not keep: in 86 to 100% of their "
        "episodes the hand is at the goal at some step. D is slow rather than flat: with twice the budget it comes to "
        "27% (one seed). Routing, with cell A's eyes: the critic alone 43, 29, 11%, an encoder each as in SB3 21, 19, "
        "12%, both losses 21, 90, 23%, the actor alone 2, 1, 1%. So the critic's loss has to be among what trains the "
        "encoder; that it is alone makes no difference that three seeds show. Weakness: Reach, not Push, and our "
        "learner.",
    ),
    Question(
        "temperature", "Where SpatialSoftmax starts",
        "The chapter's SpatialSoftmax starts at temperature 1. The weights over a map of an untrained encoder are then "
        "all but uniform, and a shift moves the features 11 to 13 times as far as scenes differ. Is that what makes "
        "steps 3 and 4?",
        ("temperature-1", "temperature-0.3", "temperature-0.1", "temperature-0.03"),
        "`--softmax-temperature`.",
        whose="Our question",
    ),
    Question(
        "encoders", "Which convolutions",
        "NatureCNN's large strides lose the block; 3x3 convolutions keep it.",
        ("encoder-manipulation", "encoder-nature", "encoder-fast"),
        "`--encoder`.",
        verdict="open: no run of it on Push is finished yet. On Reach from images NatureCNN's convolutions do better "
        "than our fast ones under the same SpatialSoftmax: 92% (one seed) against 43, 29, 11%. But a hand is larger "
        "than a block.",
    ),
    Question(
        "controls", "Controls without pixels",
        "16 numbers (proprioception, achieved and desired goal) without pixels stay at 0% to 1.67M steps: a POMDP.",
        ("book-blind", "push-blind", "push-no-her", "push-dense"),
        "`--obs blind` on `push` and on `book-state`.",
        (book.BLIND,),
        "half contradicted: the 16 numbers are enough. With our recipe push-blind ends at 98, 97 and 90% after 42K "
        "steps (100 episodes each). Whether they are with the book's settings, at 2M steps, is open: book-blind has "
        "not run.",
        unmatched="book-blind has the book's settings and 2M steps, the others our recipe and 42K.",
    ),
    Question(
        "sidebars", "Sidebars",
        "The chapter also varied LayerNorm and Tanh after the pooling, four stacked images, proprioception, CoordConv, "
        "rendering at 480, the goal's marker and larger shifts.",
        ("step-2", "no-feature-norm", "stack-4", "no-proprio", "proprio-minimal", "coord-conv", "render-480",
         "goal-marker", "pad-8"),
        "Each changes step 2 by a flag or two: `python -m experiments.chapter` lists them.",
    ),
    Question(
        "seeing-sidebars", "Sidebars where the images are needed",
        "Step 2 does as well on another episode's images, so a change of its eyes can show little there. What do the "
        "sidebars change in Reach from images alone?",
        ("reach-cell-a", "reach-no-feature-norm", "reach-stack-4", "reach-coord-conv", "reach-render-480",
         "reach-goal-marker", "reach-pad-8"),
        "Each changes `reach-cell-a` by a flag or two.",
        whose="Our question",
        verdict="one seed each, beside 43, 29, 11% of three seeds of `reach-cell-a`. Below all three: without "
        "LayerNorm and Tanh 0%, with CoordConv 1%, with shifts of 8 pixels 0% (shifts of 4: 1, 9, 1%). Among the "
        "three: four stacked images 41%, the marker of the original goal 17%. Weakness: one seed against a spread of "
        "32 points, and our learner on Reach. Rendering at 480 has not run.",
    ),
    Question(
        "probes", "Probes, one at a time",
        "The chapter changed learning rate, updates, k, environments, discount and temperature one at a time, and the "
        "first three together.",
        ("step-2", "probe-lr", "probe-updates", "probe-k", "probe-envs", "probe-gamma", "probe-alpha", "probe-three"),
        "Each changes one setting of step 2, the last one three of them.",
        verdict="open for four of seven. One seed each, beside 92, 90, 87% of step 2: k = 8 86%, a discount of 0.98 "
        "96%, twice the temperature 88%. One seed cannot tell such differences from chance.",
    ),
    Question(
        "honest", "The same without the block's position",
        "The chapter's networks are told where the block is. Does what holds there hold where they have to see it?",
        ("honest-step-2", "honest-step-4", "honest-cell-b", "honest-cell-c", "honest-step-1", "honest-routing-actor",
         "honest-routing-both"),
        "`--obs honest`.",
        whose="Our question",
    ),
)  # fmt: skip
