"""Names that a node cannot have."""

# Attributes of torch.nn.Module and torch.fx.GraphModule: a submodule of such a name would hide one. This package knows
# no torch, so they are written out here; a test compares them with torch's own.
MODULE_NAMES = frozenset(
    """
    T_destination add_module add_submodule apply bfloat16 buffers call_super_init children code compile cpu cuda
    delete_all_unused_submodules delete_submodule double dump_patches eval extra_repr float forward get_buffer
    get_extra_state get_parameter get_submodule graph half ipu load_state_dict meta modules mtia named_buffers
    named_children named_modules named_parameters parameters print_readable recompile register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook
    register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty to_folder train training type xpu zero_grad
    """.split()  # noqa: SIM905  (a word a line would be a page)
)
