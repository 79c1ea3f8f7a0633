-- dep8 to the letter: how tests are run, and what is known of them beside their results.

