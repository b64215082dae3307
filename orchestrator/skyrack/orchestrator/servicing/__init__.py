"""Servicing by operators: new software, node by node, over contacts. Decisions are pure; `upgrade` carries them out."""
