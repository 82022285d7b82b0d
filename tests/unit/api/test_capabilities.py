"""Functions with which encoders implement their capabilities, against indexing by hand."""

from __future__ import annotations

import pytest
import torch

from sslbench.api.capabilities import mask_patches, select_patches, take_outputs

PATCHES = torch.arange(24.0).view(2, 4, 3)
TOKEN = torch.tensor([-1.0, -2.0, -3.0])
MASK = torch.tensor([[True, False, False, True], [False, True, False, False]])


def test_masked_patches_are_the_token_and_others_stay():
    token = TOKEN.clone().requires_grad_()
    masked = mask_patches(PATCHES, MASK, token)
    for sample in range(2):
        for patch in range(4):
            expected = TOKEN if MASK[sample, patch] else PATCHES[sample, patch]
            assert torch.equal(masked[sample, patch], expected)
    masked.sum().backward()
    assert torch.equal(token.grad, torch.full((3,), float(MASK.sum())))
    assert torch.equal(mask_patches(PATCHES, MASK, TOKEN.view(1, 1, 3)), masked)
    assert mask_patches(PATCHES.bfloat16(), MASK, TOKEN).dtype == torch.bfloat16
    assert mask_patches(PATCHES, None, None) is PATCHES


@pytest.mark.parametrize(
    ("mask", "token", "message"),
    [
        (MASK, None, "tokens(mask=…): needs mask_token as well. Pass both, or neither"),
        (None, TOKEN, "tokens(mask_token=…): needs mask as well. Pass both, or neither"),
        (MASK.float(), TOKEN, "tokens(mask=…): is (2, 4) of torch.float32. Pass (2, 4) of torch.bool, one per patch"),
        (MASK[:1], TOKEN, "tokens(mask=…): is (1, 4) of torch.bool. Pass (2, 4) of torch.bool, one per patch"),
        (MASK, TOKEN[:2], "tokens(mask_token=…): has 2 numbers. Pass 3, the encoder's patch_width"),
    ],
)
def test_a_wrong_mask_or_token_is_an_error_that_states_what_to_pass(mask, token, message):
    with pytest.raises(ValueError, match="tokens") as raised:
        mask_patches(PATCHES, mask, token)
    assert str(raised.value) == message


def test_selected_patches_follow_the_prefix_in_the_order_of_keep():
    keep = torch.tensor([[2, 0], [1, 2]])
    tokens = select_patches(PATCHES, keep, prefix=1)
    assert torch.equal(tokens[0], PATCHES[0, [0, 3, 1]])
    assert torch.equal(tokens[1], PATCHES[1, [0, 2, 3]])
    assert torch.equal(select_patches(PATCHES, keep)[0], PATCHES[0, [2, 0]])
    assert select_patches(PATCHES, None, prefix=1) is PATCHES


def test_outputs_are_taken_in_order_and_later_ones_are_not_computed():
    computed = []

    def outputs():
        for number in range(4):
            computed.append(number)
            yield torch.tensor(number)

    assert [int(x) for x in take_outputs(outputs(), (2, 0, -3), 4)] == [2, 0, 1]
    assert computed == [0, 1, 2]
    assert take_outputs(outputs(), (), 4) == ()
    for index in (4, -5):
        with pytest.raises(IndexError, match=rf"no output {index}. Choose from -4 to 3"):
            take_outputs(outputs(), (0, index), 4)
