"""The use cases, one module per noun. The only room that combines catalog, blocks, formats and machines.

Each public function has one rhythm: find what the caller may see, check the rules, one transaction, start the workflow, return.
"""
