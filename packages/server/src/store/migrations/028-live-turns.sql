-- Where the bank is too large for one look, its checks take turns: the one whose turn it was last.
alter table live_looks add column turn text;
