//! Events, word by word.

mod words;
