"""`gristmill up`: the embedded servers, our processes, and the supervisor that keeps them running and stops them."""
