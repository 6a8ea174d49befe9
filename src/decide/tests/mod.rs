//! The rules of the reference's section 3, each as a table of cases on the pure decision.

mod histories;
mod promotion;
